// What the statuses of TensorFlow Serving mean: one line a status. Sources: protocols.md 8.1 and 16.2.

import { describe, expect, test } from "vitest";
import { grpcFaultOf, restFault } from "../../../backends/tf-serving/faults.ts";

describe("over REST", () => {
  // protocols.md 8.1: the status map
  test.each([
    [400, '{"error": "Serving signature name: \\"s\\" not found in signature def"}', "invalid-argument client no"],
    [400, '{"error": "Unrecognized servable version label: x"}', "not-found client no"],
    [400, '{"error": "Malformed request: POST /v1/models/m"}', "invalid-argument client no"],
    [401, '{"error": "no"}', "bad-backend backend elsewhere"],
    [403, '{"error": "no"}', "bad-backend backend elsewhere"],
    [404, '{"error": "Servable not found for request: Latest(m)"}', "not-found client no"],
    [404, "", "bad-backend backend no"],
    [405, "", "bad-backend backend no"],
    [409, '{"error": "aborted"}', "unavailable backend elsewhere"],
    [413, "", "too-large client no"],
    [429, '{"error": "full"}', "overloaded backend elsewhere"],
    [499, '{"error": "cancelled"}', "unavailable backend elsewhere"],
    [500, '{"error": "boom"}', "bad-backend backend elsewhere"],
    [501, '{"error": "Conversion of JSON Value: 1 to type: half"}', "unsupported client no"],
    [502, "<html>", "unavailable backend elsewhere"],
    [503, '{"error": "down"}', "unavailable backend elsewhere"],
    [504, '{"error": "late"}', "deadline-exceeded backend no"],
  ])("status %d with %s is %s", (status, body, word) => {
    const { code, origin, retryable } = restFault({ status, headers: new Map(), body: Buffer.from(body) });
    expect([code, origin, retryable].join(" ")).toBe(word);
  });

  test("the caller is told the server's words about its own faults only", () => {
    const said = (status: number) =>
      restFault({ status, headers: new Map(), body: Buffer.from('{"error": "at http://tfs:8501\\n of x"}') }).message;
    expect(said(400)).toBe("at of x");
    expect(said(500)).toBe("at of x");
    expect(said(503)).toBe("the backend answered with status 503");
  });
});

describe("over gRPC", () => {
  const word = (code: number, details: string) => {
    const fault = grpcFaultOf({ code, details, trailers: new Map() });
    return fault === undefined ? "as gRPC has it" : [fault.code, fault.origin, fault.retryable].join(" ");
  };

  // protocols.md 16.2
  test.each([
    [3, "input size does not match signature: 0!=1", "as gRPC has it"],
    [3, "Unrecognized servable version label: x", "not-found client no"],
    [5, "Servable not found for request: Latest(m)", "as gRPC has it"],
    [7, "", "bad-backend backend elsewhere"],
    [8, "queue full", "overloaded backend elsewhere"],
    [9, 'Serving signature key "s" not found.', "invalid-argument client no"],
    [9, "Table not initialized.", "unavailable backend elsewhere"],
    [12, "no such op", "unsupported backend no"],
    [13, "boom", "as gRPC has it"],
    [14, "", "as gRPC has it"],
    [16, "", "bad-backend backend elsewhere"],
  ])("status %d %s is %s", (code, details, expected) => {
    expect(word(code, details)).toBe(expected);
  });
});

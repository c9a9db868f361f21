// What TorchServe's faults mean, over both of its protocols: bodies and texts are those of TorchServe 0.12, as it was run.

import { describe, expect, it } from "vitest";
import { grpcFault, httpFault, orTooLarge } from "../../../../backends/torchserve/faults.ts";
import { InferError } from "../../../../core/error.ts";
import { outcomeOf } from "../../../../core/outcome.ts";
import { encodeError } from "../../../../wire/torchserve-documents.ts";

const NO_WORKER =
  "has no worker to serve inference request. Please use scale workers API to add workers. If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize";
const INTERNAL = "InternalServerException";

const table = [
  [404, "ModelNotFoundException", "Model not found: nope", "not-found client no success"],
  [
    404,
    "ModelVersionNotFoundException",
    "Model version: 9.0 does not exist for model: rows",
    "not-found client no success",
  ],
  [
    404,
    "ResourceNotFoundException",
    "Requested resource is not found, please refer to API document.",
    "bad-backend backend no failure",
  ],
  [
    405,
    "MethodNotAllowedException",
    "Requested method is not allowed, please refer to API document.",
    "bad-backend backend no failure",
  ],
  [400, "BadRequestException", "Parameter model_name is required.", "invalid-argument client no success"],
  [
    400,
    "InvalidKeyException",
    "Token Authorization failed. Token either incorrect, expired, or not provided correctly",
    "bad-backend backend elsewhere failure",
  ],
  [408, "RequestTimeoutException", "Request timed out", "unavailable backend elsewhere failure"],
  [
    409,
    "ConflictStatusException",
    "Model version 1.0 is already registered for model m",
    "bad-backend backend no failure",
  ],
  [
    503,
    "ServiceUnavailableException",
    `Model "rows2" Version 2.0" ${NO_WORKER}`,
    "overloaded backend elsewhere failure",
  ],
  [503, INTERNAL, "Prediction failed", "bad-backend backend no failure"],
  [500, INTERNAL, "Worker died.", "bad-backend backend elsewhere failure"],
  [507, INTERNAL, "Out of resources", "overloaded backend elsewhere failure"],
  // a handler's own
  [418, INTERNAL, "no tea", "invalid-argument client no success"],
  [403, INTERNAL, "no tea", "invalid-argument client no success"],
  [413, INTERNAL, "no tea", "too-large client no success"],
  [429, INTERNAL, "no tea", "overloaded backend elsewhere failure"],
  [501, INTERNAL, "no tea", "unsupported backend no failure"],
  [503, INTERNAL, "no tea", "unavailable backend elsewhere failure"],
  [504, INTERNAL, "no tea", "deadline-exceeded backend no failure"],
  [500, INTERNAL, "no tea", "bad-backend backend no failure"],
] as const;

const told = (fault: InferError) => `${fault.code} ${fault.origin} ${fault.retryable} ${outcomeOf(fault)}`;

describe("a fault of TorchServe over HTTP", () => {
  it.each(table)("with status %i and %s %j is %s", (status, type, message, wanted) => {
    const fault = httpFault({ status, headers: new Map(), body: encodeError({ code: status, type, message }) });
    expect(told(fault)).toBe(wanted);
  });

  it.each([
    [413, "too-large client no success"],
    [502, "unavailable backend elsewhere failure"],
    [504, "deadline-exceeded backend no failure"],
    [401, "bad-backend backend elsewhere failure"],
    [404, "bad-backend backend no failure"],
  ])("with status %i and no words of its own is %s", (status, wanted) => {
    expect(told(httpFault({ status, headers: new Map(), body: new Uint8Array(0) }))).toBe(wanted);
  });

  it("tells the caller what concerns the caller, on one line, and nothing of paths and keys", () => {
    const body = (type: string, message: string) => ({
      status: 400,
      headers: new Map(),
      body: encodeError({ code: 400, type, message }),
    });
    expect(httpFault(body("InternalServerException", "bad\n  row  at http://10.0.0.1:8080/x")).message).toBe(
      "bad row at",
    );
    expect(httpFault(body("InvalidKeyException", "Token x failed")).message).not.toContain("Token x");
    expect(httpFault(body("BadRequestException", "x".repeat(900))).message).toHaveLength(500);
  });
});

describe("a fault of TorchServe over gRPC", () => {
  const grpc = (code: number, details: string) => grpcFault({ code, details, trailers: new Map() });

  it.each([
    [
      13,
      "Model not found: nope\norg.pytorch.serve.archive.model.ModelNotFoundException",
      "not-found client no success",
    ],
    [
      13,
      "Model version: 9.0 does not exist for model: rows\norg.pytorch.serve.archive.model.ModelVersionNotFoundException",
      "not-found client no success",
    ],
    [13, "Parameter model_name is required.\nBadRequestException.()", "invalid-argument client no success"],
    [13, `Model "rows2" ${NO_WORKER}\nInternalServerException.()`, "overloaded backend elsewhere failure"],
    [14, "Prediction failed\norg.pytorch.serve.http.InternalServerException", "bad-backend backend no failure"],
    [13, "Worker died.\norg.pytorch.serve.http.InternalServerException", "bad-backend backend elsewhere failure"],
    [13, "Out of resources\norg.pytorch.serve.http.InternalServerException", "overloaded backend elsewhere failure"],
    [9, "no tea\norg.pytorch.serve.http.InternalServerException", "invalid-argument client no success"],
    [3, "no tea\norg.pytorch.serve.http.InternalServerException", "invalid-argument client no success"],
    [5, "no tea\norg.pytorch.serve.http.InternalServerException", "invalid-argument client no success"],
    [8, "no tea\norg.pytorch.serve.http.InternalServerException", "overloaded backend elsewhere failure"],
    [14, "no tea\norg.pytorch.serve.http.InternalServerException", "unavailable backend elsewhere failure"],
  ])("with code %i and %j is %s", (code, details, wanted) => {
    const fault = grpc(code, details);
    expect(fault === undefined ? "nobody's" : told(fault)).toBe(wanted);
  });

  it.each([
    [14, "No connection established"],
    [12, "Method not found: x"],
    [4, ""],
  ])("of the transport, code %i and %j, is left to the client", (code, details) => {
    expect(grpc(code, details)).toBeUndefined();
  });

  it("that is a reset for no other reason than a large message is the caller's", () => {
    const reset = new InferError("unavailable", "the backend broke the connection off", {
      cause: new Error("gRPC status 1: Call cancelled"),
    });
    expect(told(orTooLarge(reset, 7_000_000) as InferError)).toBe("too-large client no success");
    expect(orTooLarge(reset, 6_553_500)).toBe(reset);
    const refused = new InferError("unavailable", "no connection to the backend");
    expect(orTooLarge(refused, 7_000_000)).toBe(refused);
  });

  it("tells the handler's words without the class of Java", () => {
    expect(grpc(3, "no\ntea\norg.pytorch.serve.http.InternalServerException")?.message).toBe("no tea");
  });
});

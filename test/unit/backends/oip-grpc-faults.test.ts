// What the statuses of servers of the Open Inference Protocol over gRPC mean: the table. The texts are those of Triton 2.51,
// MLServer 1.7.1 and KServe 0.21 as they were seen, and of protocols.md where they were not.

import { describe, expect, test } from "vitest";
import { oipGrpcFault, saidBy } from "../../../backends/oip/grpc-faults.ts";
import type { InferError } from "../../../core/error.ts";

type Row = readonly [code: number, details: string, wanted: string, message?: string];

const STACK = "\n\nAt:\n  /models/faulty/1/model.py(10): execute\n";

const TABLE: readonly Row[] = [
  // Triton
  [5, "Request for unknown model: 'nope' is not found", "not-found client no"],
  [5, "Request for unknown model: 'digits' version 9 is not found", "not-found client no"],
  [5, "Request for unknown model: 'broken' has no available versions", "unavailable backend elsewhere"],
  [14, "Request for unknown model: 'broken' has no available versions", "unavailable backend elsewhere"],
  [13, "Request for unknown model: 'broken' has no available versions", "unavailable backend elsewhere"],
  [
    3,
    "[request id: <id_unknown>] expected 1 inputs but got 0 inputs",
    "invalid-argument client no",
    "expected 1 inputs but got 0 inputs",
  ],
  [3, "failed to get model version from specified version string 'abc'", "invalid-argument client no"],
  [
    13,
    `Failed to process the request(s) for model 'faulty_0_0', message: ValueError: no${STACK}`,
    "bad-backend backend no",
    "Failed to process the request(s) for model 'faulty_0_0', message: ValueError: no",
  ],
  [13, "failed to load 'nope', failed to poll from model repository", "not-found client no"],
  [13, "out of memory", "bad-backend backend elsewhere", "the server failed: out of memory"],
  [
    14,
    "[request id: <id_unknown>] Exceeds maximum queue size",
    "overloaded backend elsewhere",
    "the server's queue is full",
  ],
  [14, "Request timeout expired", "deadline-exceeded gateway no", "the request's time ran out in the server's queue"],
  [14, "Request for unknown model: 'm' version 1 is not at ready state", "unavailable backend elsewhere"],
  [14, "explicit model load / unload is not allowed if polling is enabled", "unsupported backend no"],
  [14, "This protocol is restricted, expecting header 'triton-grpc-protocol-x'", "bad-backend backend elsewhere"],
  [12, "ModelInfer RPC doesn't support models with decoupled transaction policy", "unsupported backend no"],
  [6, "shared memory region 'r' already in manager", "invalid-argument client no"],
  // MLServer: 422 is FAILED_PRECONDITION, exceptions are INTERNAL or UNKNOWN
  [9, "unknown datatype", "invalid-argument client no"],
  [5, "Model nope with version not found", "not-found client no"],
  [2, "Model nope not found", "not-found client no"],
  [
    2,
    "Unexpected <class 'mlserver.errors.ModelNotFound'>: Model nobody with version  not found",
    "not-found client no",
  ],
  [
    13,
    "the model refuses this input",
    "bad-backend backend elsewhere",
    "the server failed: the model refuses this input",
  ],
  // KServe
  [5, "Model with name nope does not exist.", "not-found client no"],
  [3, "invalid content type", "invalid-argument client no"],
  [13, "Internal server error", "bad-backend backend elsewhere", "the server failed: Internal server error"],
  [14, "Model with name zz is not ready.", "unavailable backend elsewhere"],
  // TorchServe: what is not there is INTERNAL, what raised is UNAVAILABLE
  [13, "Model not found: nope ModelNotFoundException", "not-found client no"],
  [14, "Prediction failed InternalServerException", "bad-backend backend no"],
  // any of them
  [7, "denied", "bad-backend backend elsewhere"],
  [16, "no token", "bad-backend backend elsewhere"],
  [2, "", "bad-backend backend elsewhere", "the server failed without a reason"],
];

type Judge = typeof oipGrpcFault;

function checkRow([code, details, wanted, message]: Row, judge: Judge): void {
  const fault = judge({ code, details, trailers: new Map() }) as InferError;
  expect(`${fault.code} ${fault.origin} ${fault.retryable}`).toBe(wanted);
  if (message !== undefined) expect(fault.message).toBe(message);
  // what another may try again is never our credentials or the stack of a server
  expect(fault.message).not.toMatch(/\.py|\n|id_unknown/);
}

describe("a status", () => {
  for (const row of TABLE) test(`${row[0]} "${row[1].split("\n")[0]}" is ${row[2]}`, () => checkRow(row, oipGrpcFault));

  test.each([1, 4, 8, 10, 14, 15])("%i without a word that is known means what gRPC says it means", (code) => {
    expect(oipGrpcFault({ code, details: "something", trailers: new Map() })).toBeUndefined();
  });

  test("that were judged by its code alone would be caught", () => {
    const judge: Judge = ({ code }) => oipGrpcFault({ code, details: "x", trailers: new Map() });
    const caught = TABLE.filter((row) => {
      try {
        checkRow(row, judge);
        return false;
      } catch {
        return true;
      }
    });
    expect(caught.length).toBe(20);
  });
});

test("a server's words come on one line, without their stack, at most 500 characters long", () => {
  expect(saidBy("[request id: 7] a\n  b")).toBe("a b");
  expect(saidBy("Traceback (most recent call last):\n File x")).toBe("");
  expect(saidBy("x".repeat(600))).toBe(`${"x".repeat(497)}...`);
});

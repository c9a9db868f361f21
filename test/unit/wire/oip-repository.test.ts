import { describe, expect, it } from "vitest";
import {
  decodeIndex,
  decodeModelConfig,
  decodeModelNames,
  encodeIndex,
  parseAnswer,
} from "../../../wire/oip-repository.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const fault = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
  return "none";
};

// as Triton 2.51 and MLServer 1.7.1 answered
const TRITON =
  '[{"name":"broken","version":"1","state":"UNAVAILABLE","reason":"unloaded"},{"name":"digits","version":"2","state":"READY"},{"name":"never"}]';
const MLSERVER =
  '[{"name":"echo","state":"READY","reason":""},{"name":"digits","version":"1","state":"LOADING","reason":""}]';

describe("an index of models", () => {
  it("is read with its versions, states and reasons", () => {
    expect(decodeIndex(bytes(TRITON))).toEqual([
      { name: "broken", version: "1", state: "unavailable", reason: "unloaded" },
      { name: "digits", version: "2", state: "ready" },
      { name: "never", state: "unavailable", reason: "not loaded" },
    ]);
    expect(decodeIndex(bytes(MLSERVER))).toEqual([
      { name: "echo", state: "ready" },
      { name: "digits", version: "1", state: "loading" },
    ]);
    expect(decodeIndex(bytes('[{"name":"m","version":"1","state":"UNKNOWN"}]'))).toEqual([
      { name: "m", version: "1", state: "unavailable" },
    ]);
  });

  it("is read as it was written", () => {
    const models = (["ready", "loading", "unloading", "unavailable"] as const).flatMap((state) => [
      { name: "a", version: "1", state },
      { name: 'b"é', state, reason: "why" },
    ]);
    expect(decodeIndex(bytes(encodeIndex(models)))).toEqual(models);
    expect(encodeIndex([{ name: "digits", version: "2", state: "ready" }])).toEqual([
      { name: "digits", version: "2", state: "READY" },
    ]);
  });

  it.each([
    ["not JSON", "bad-backend: the backend's answer is not JSON"],
    ['{"error":"x"}', 'bad-backend: the backend\'s answer: expected an array of models, got {"error":"x"}'],
    ["[null]", "bad-backend: the backend's answer: expected an object with a name for each model, got null"],
    [
      '[{"name":1}]',
      'bad-backend: the backend\'s answer: expected an object with a name for each model, got {"name":1}',
    ],
  ])("is refused when it is %s", (text, expected) => {
    expect(fault(() => decodeIndex(bytes(text)))).toBe(expected);
  });
});

describe("names of models", () => {
  it("are KServe's", () => {
    expect(decodeModelNames(bytes('{"models":["a","b"]}'))).toEqual(["a", "b"]);
    expect(fault(() => decodeModelNames(bytes("[]")))).toContain("bad-backend");
    expect(fault(() => decodeModelNames(bytes('{"models":[{"name":"a"}]}')))).toContain("bad-backend");
  });
});

describe("a model's config", () => {
  it("says what bears on asking it, and is kept whole", () => {
    const config = {
      max_batch_size: "16",
      input: [{ name: "a", optional: true }, { name: "b", optional: false }, "c"],
      model_transaction_policy: { decoupled: false },
    };
    expect(decodeModelConfig(bytes(config))).toEqual({
      config,
      facts: { maxBatchSize: 16, decoupled: false, stateful: false, optional: new Set(["a"]) },
    });
    expect(decodeModelConfig(bytes({ sequence_batching: {} })).facts).toEqual({
      maxBatchSize: 0,
      decoupled: false,
      stateful: true,
      optional: new Set(),
    });
  });

  it("is refused when it is none", () => {
    expect(fault(() => decodeModelConfig(bytes("7")))).toContain("expected an object, got 7");
    expect(fault(() => decodeModelConfig(bytes({ max_batch_size: "many" })))).toContain(
      'as "max_batch_size", got "many"',
    );
    expect(fault(() => parseAnswer(bytes("")))).toContain("bad-backend");
  });
});

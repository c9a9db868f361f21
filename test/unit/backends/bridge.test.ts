import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cast, type Numeric } from "../../../backends/bridge/cast.ts";
import { bridgeLayer, bridgeSignature, signatureThere } from "../../../backends/bridge.ts";
import type { Bridge } from "../../../core/bridge.ts";
import { openCall } from "../../../core/call.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import type { RunSliced } from "../../../core/protocol.ts";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { runNow } from "../../../wire/sliced.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { elements, type Plain, plain } from "../../support/gateway-oip.ts";
import { requestFor, scripted, wholeReply } from "../../support/scripted.ts";

/** The numeric datatypes that the test's own reader and writer have. */
type Plainly = Exclude<Numeric, "BF16">;

const readU16 = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset).getUint16(0, true);

const NONE: Bridge = { inputs: new Map(), outputs: new Map(), fixed: [] };
const now: RunSliced = (work) => runNow(work);

function aCall() {
  return openCall({ id: "t", traceparent: "", clock: fakeEnv().clock, protocol: "test" });
}

/** What the backend is asked, and what the client gets when the backend answers `outputs`. */
async function through(bridge: Bridge, request: InferRequest, outputs: readonly Tensor[] = []) {
  const { service, handle } = scripted();
  const answer = bridgeLayer(bridge, now)(service)(request, aCall());
  answer.catch(() => {});
  const asked = await Promise.race([handle.next(), answer.then(() => undefined)]);
  asked?.reply(wholeReply("there", "1", { outputs }));
  return { asked: asked!.request, answer: (await answer) as InferResponse };
}

const refused = (bridge: Bridge, request: InferRequest) =>
  bridgeLayer(bridge, now)(async () => wholeReply("there", "1"))(request, aCall());

const shown = (tensors: readonly Tensor[]) =>
  tensors.map((one) => [one.name, one.datatype, one.shape, elements(one as Plain)]);

describe("a bridge", () => {
  it("renames inputs, asks for the outputs it chose, and gives them back under the names that clients see", async () => {
    const bridge = {
      ...NONE,
      inputs: new Map([["x", { name: "INPUT__0" }]]),
      outputs: new Map([["score", { name: "OUTPUT__0" }]]),
    };
    const request = requestFor("m", { inputs: [plain("x", "FP32", [1, 2], [1, 2]), plain("y", "INT8", [1], [3])] });
    const { asked, answer } = await through(bridge, request, [
      plain("OUTPUT__1", "FP32", [1], [9]),
      plain("OUTPUT__0", "FP32", [1], [0.5]),
    ]);
    expect(asked.inputs.map(({ name }) => name)).toEqual(["INPUT__0", "y"]);
    expect(asked.inputs[0]!.data).toBe(request.inputs[0]!.data);
    expect(asked.outputs).toEqual([{ name: "OUTPUT__0", parameters: NO_PARAMETERS }]);
    expect(shown(answer.outputs)).toEqual([["score", "FP32", [1], [0.5]]]);
  });

  it("gives only the outputs asked for, in the order asked", async () => {
    const bridge = {
      ...NONE,
      outputs: new Map([
        ["a", { name: "A" }],
        ["b", { name: "B" }],
      ]),
    };
    const outputs = ["b", "a"].map((name) => ({ name, parameters: NO_PARAMETERS }));
    const { asked, answer } = await through(bridge, requestFor("m", { outputs }), [
      plain("A", "INT8", [1], [1]),
      plain("B", "INT8", [1], [2]),
    ]);
    expect(asked.outputs!.map(({ name }) => name)).toEqual(["B", "A"]);
    expect(shown(answer.outputs)).toEqual([
      ["b", "INT8", [1], [2]],
      ["a", "INT8", [1], [1]],
    ]);
  });

  it("refuses an output that it did not choose, and an input that the config sets", async () => {
    const bridge = {
      ...NONE,
      outputs: new Map([["a", { name: "A" }]]),
      fixed: [plain("k", "INT8", [1], [1])],
    };
    const outputs = [{ name: "A", parameters: NO_PARAMETERS }];
    await expect(refused(bridge, requestFor("m", { outputs }))).rejects.toMatchObject({
      code: "invalid-argument",
      message: 'unexpected output "A": the model has "a"',
    });
    await expect(refused(bridge, requestFor("m", { inputs: [plain("k", "INT8", [1], [2])] }))).rejects.toMatchObject({
      code: "invalid-argument",
      message: 'input "k" is set by the gateway\'s config and cannot be sent',
    });
  });

  it("adds and drops a leading dimension of 1, both ways, without touching the values", async () => {
    const bridge: Bridge = {
      inputs: new Map([
        ["add", { name: "add", batch: "add" }],
        ["drop", { name: "drop", batch: "drop" }],
      ]),
      outputs: new Map([
        ["a", { name: "a", batch: "add" }],
        ["d", { name: "d", batch: "drop" }],
      ]),
      fixed: [],
    };
    const inputs = [plain("add", "INT8", [2], [1, 2]), plain("drop", "INT8", [1, 2], [3, 4])];
    const { asked, answer } = await through(bridge, requestFor("m", { inputs }), [
      plain("a", "INT8", [1, 2], [5, 6]),
      plain("d", "INT8", [2], [7, 8]),
    ]);
    expect(asked.inputs.map(({ shape }) => shape)).toEqual([[1, 2], [2]]);
    expect(asked.inputs.map(({ data }, i) => data === inputs[i]!.data)).toEqual([true, true]);
    expect(answer.outputs.map(({ shape }) => shape)).toEqual([[2], [1, 2]]);
    const wide = requestFor("m", { inputs: [plain("drop", "INT8", [2, 1], [3, 4])] });
    await expect(refused(bridge, wide)).rejects.toThrow(
      'input "drop": expected a leading dimension of 1, got shape [2,1]',
    );
  });

  it("casts what clients send to what the backend takes, and its answer back", async () => {
    const bridge: Bridge = {
      inputs: new Map([["x", { name: "x", datatype: "FP32", there: "FP64" }]]),
      outputs: new Map([["y", { name: "y", datatype: "FP32" }]]),
      fixed: [],
    };
    const inputs = [plain("x", "FP32", [2], [0.5, -3])];
    const { asked, answer } = await through(bridge, requestFor("m", { inputs }), [plain("y", "FP64", [2], [1.25, 7])]);
    expect(shown(asked.inputs)).toEqual([["x", "FP64", [2], [0.5, -3]]]);
    expect(shown(answer.outputs)).toEqual([["y", "FP32", [2], [1.25, 7]]]);
  });

  it("calls a value that does not fit the client's fault on the way there, the backend's on the way back", async () => {
    const bridge: Bridge = {
      inputs: new Map([["x", { name: "x", datatype: "INT64", there: "INT32" }]]),
      outputs: new Map([["y", { name: "y", datatype: "FP32" }]]),
      fixed: [],
    };
    await expect(
      refused(bridge, requestFor("m", { inputs: [plain("x", "INT64", [2], [1n, 2n ** 31n])] })),
    ).rejects.toMatchObject({
      code: "invalid-argument",
      message: 'input "x": element 1 is 2147483648, which the model\'s INT32 cannot hold',
    });
    await expect(through(bridge, requestFor("m"), [plain("y", "FP64", [1], [1e300])])).rejects.toMatchObject({
      code: "bad-backend",
      message: 'output "y": element 0 is 1e+300, which FP32 cannot hold',
    });
    await expect(through(bridge, requestFor("m"), [])).rejects.toMatchObject({
      code: "bad-backend",
      message: 'the answer has no output "y"',
    });
    await expect(refused(bridge, requestFor("m", { inputs: [plain("x", "INT16", [1], [1])] }))).rejects.toThrow(
      'input "x": expected datatype INT64, got INT16',
    );
  });

  it("adds the fixed inputs behind the client's", async () => {
    const fixed = [plain("k", "INT64", [1], [5n])];
    const { asked } = await through({ ...NONE, fixed }, requestFor("m", { inputs: [plain("x", "INT8", [1], [1])] }));
    expect(asked.inputs.map(({ name }) => name)).toEqual(["x", "k"]);
    expect(asked.inputs[1]).toBe(fixed[0]);
  });

  it("turns every part of a stream, and lets the empty last one pass", async () => {
    const bridge = { ...NONE, outputs: new Map([["y", { name: "Y" }]]) };
    async function* parts() {
      yield wholeReply("there", "1", { outputs: [plain("Y", "INT8", [1], [1])] });
      yield wholeReply("there", "1");
    }
    const reply = await bridgeLayer(bridge, now)(async () => ({ kind: "stream", parts: parts() }))(
      requestFor("m"),
      aCall(),
    );
    const got: unknown[] = [];
    if (reply.kind === "stream") for await (const part of reply.parts) got.push(part.outputs.map(({ name }) => name));
    expect(got).toEqual([["y"], []]);
  });
});

describe("the signature behind a bridge", () => {
  const there: ModelMetadata = {
    name: "there",
    version: "1",
    versions: ["1"],
    platform: "p",
    stateful: false,
    batchDim: 0,
    inputs: [
      { name: "INPUT__0", datatype: "FP64", shape: [-1, 30] },
      { name: "k", datatype: "INT64", shape: [1] },
    ],
    outputs: [
      { name: "OUTPUT__0", datatype: "FP64", shape: [-1, 1] },
      { name: "other", datatype: "FP32", shape: [1] },
    ],
  };
  const bridge: Bridge = {
    inputs: new Map([["x", { name: "INPUT__0", datatype: "FP32", there: "FP64" }]]),
    outputs: new Map([["score", { name: "OUTPUT__0", datatype: "FP32" }]]),
    fixed: [plain("k", "INT64", [1], [5n])],
  };

  it("is in the clients' names and datatypes, without fixed inputs and outputs left out", () => {
    const seen = bridgeSignature(bridge, there);
    expect(seen.inputs).toEqual([{ name: "x", datatype: "FP32", shape: [-1, 30] }]);
    expect(seen.outputs).toEqual([{ name: "score", datatype: "FP32", shape: [-1, 1] }]);
    expect(seen.batchDim).toBe(0);
  });

  it("is turned back for a backend that cannot tell its own", () => {
    const declared = bridgeSignature(bridge, there);
    expect(signatureThere(bridge, declared).inputs).toEqual([
      there.inputs[0],
      { name: "k", datatype: "INT64", shape: [1] },
    ]);
    const dropped = { ...bridge, inputs: new Map([["x", { name: "INPUT__0", batch: "drop" as const }]]) };
    expect(bridgeSignature(dropped, there)).not.toHaveProperty("batchDim");
    expect(bridgeSignature(dropped, there).inputs[0]!.shape).toEqual([1, -1, 30]);
    expect(
      signatureThere(dropped, { inputs: [{ name: "x", datatype: "FP32", shape: [1, -1, 30] }], outputs: [] }).inputs[0],
    ).toEqual({ name: "INPUT__0", datatype: "FP32", shape: [-1, 30] });
  });
});

describe("a cast", () => {
  const refuse = (value: number | bigint, at: number) => new RangeError(`${at}: ${value}`);
  const castOf = (from: Plainly, to: Plainly, values: readonly unknown[]) => {
    const tensor = plain("t", from, [values.length], values as number[]);
    return elements({ ...tensor, datatype: to, data: runNow(cast(tensor.data, { from, to }, refuse)) } as Plain);
  };

  it.each([
    ["FP64", "FP32", [0.1], [Math.fround(0.1)]],
    ["FP32", "FP64", [0.5], [0.5]],
    ["FP32", "FP16", [65504, Number.NaN, Number.NEGATIVE_INFINITY], [65504, Number.NaN, Number.NEGATIVE_INFINITY]],
    ["INT64", "INT32", [-5n], [-5]],
    ["UINT8", "INT64", [255], [255n]],
    ["INT64", "FP64", [2n ** 53n], [2 ** 53]],
    ["FP32", "INT8", [-128], [-128]],
    ["BOOL", "FP32", [true, false], [1, 0]],
    ["INT32", "BOOL", [1, 0], [true, false]],
  ] as const)("from %s to %s keeps the value: %s", (from, to, values, expected) => {
    expect(castOf(from, to, values)).toEqual(expected);
  });

  it.each([
    ["FP64", "FP32", [1e39], "0: 1e+39"],
    ["FP32", "FP16", [0, 65520], "1: 65520"],
    ["FP32", "INT32", [1.5], "0: 1.5"],
    ["FP32", "INT32", [Number.NaN], "0: NaN"],
    ["FP64", "INT64", [2 ** 63], "0: 9223372036854776000"],
    ["INT64", "UINT64", [-1n], "0: -1"],
    ["UINT64", "INT64", [2n ** 63n], "0: 9223372036854775808"],
    ["INT16", "UINT8", [256], "0: 256"],
    ["INT8", "BOOL", [2], "0: 2"],
  ] as const)("from %s to %s refuses the first value that does not fit: %s", (from, to, values, message) => {
    expect(() => castOf(from, to, values)).toThrow(message);
  });

  it("rounds to BF16 once, to the nearest, ties to even", () => {
    const toBf16 = (value: number) => {
      const { data } = plain("t", "FP64", [1], [value]);
      return readU16(runNow(cast(data, { from: "FP64", to: "BF16" }, refuse)));
    };
    // between 0x3f80 (1) and 0x3f81 (1.0078125) lies 1.00390625
    expect([1.00390625, 1.00390625 + 2 ** -40, 1.00390625 - 2 ** -40, 1.01171875].map(toBf16)).toEqual([
      0x3f80, 0x3f81, 0x3f80, 0x3f82,
    ]);
  });

  it("there and back is the same for values that both hold", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -128, max: 127 }), { maxLength: 50 }), (values) => {
        for (const to of ["INT16", "INT64", "FP16", "FP32", "FP64"] as const) {
          const there = runNow(cast(plain("t", "INT8", [values.length], values).data, { from: "INT8", to }, refuse));
          expect([...new Int8Array(runNow(cast(there, { from: to, to: "INT8" }, refuse)))]).toEqual(values);
        }
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  it("stops now and then, so that a large tensor does not hold the loop", () => {
    const work = cast(new Uint8Array(4 * 100_000), { from: "FP32", to: "FP64" }, refuse);
    let stops = 0;
    while (work.next().done !== true) stops += 1;
    expect(stops).toBe(3);
  });
});

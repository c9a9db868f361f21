// The kind `kserve-v1` against the real KServe 0.21 model server.

import { beforeAll, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { kserveV1, kserveV1Server } from "../../backends/kserve-v1.ts";
import type { Signature } from "../../core/model.ts";
import { opaqueTensor, payloadOf } from "../../wire/opaque.ts";
import { ask, faultOf, numbers, texts } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";
import { connectLive, DIGITS, expectDigits, pictures } from "./json-calls.ts";
import { addSub, NEVER, outputsFor, SUMS, shown } from "./oip-calls.ts";
import { startKServe } from "./servers/kserve.ts";
import { realServer } from "./support/suite.ts";

const tested = { kind: kserveV1, server: kserveV1Server };
const ADD_SUB: Signature = {
  inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
  outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
};
const json = (value: unknown) =>
  opaqueTensor("body", Buffer.from(JSON.stringify(value)), { contentType: "application/json; charset=utf-8" });

realServer("kserve-v1", startKServe, (server) => {
  let connection: Connection;
  beforeAll(() => {
    const signatures = { digits: DIGITS, digits_v1: DIGITS, add_sub: ADD_SUB };
    connection = connectLive(tested, server().http, { signatures });
  });
  const fault = async (request: Parameters<Connection["infer"]>[0], timeoutMs?: number) => {
    const call = liveCall(timeoutMs === undefined ? {} : { timeoutMs });
    const [code, origin, retryable, message] = await faultOf(connection.infer(request, call).finally(() => call.end()));
    return [`${code} ${origin} ${retryable}`, message];
  };

  it("says what it is and which models are ready", async () => {
    expect(await connection.health(NEVER)).toBe("kserve 0.21.0");
    const models = await connection.models(["nobody"], NEVER);
    expect(models.map(({ name, version, state }) => `${name} ${version} ${state}`).sort()).toEqual([
      "add_sub 1 ready",
      "digits 1 ready",
      "digits_v1 1 ready",
      "echo 1 ready",
      "faulty 1 ready",
    ]);
    expect((await faultOf(connection.metadata({ name: "digits" }, NEVER)))[0]).toBe("unsupported");
  });

  it("answers the model's outputs byte for byte, one input and several", async () => {
    const image = pictures(7);
    await expectDigits(await outputsFor(connection, ask("digits", [image])), image, "2");
    await expectDigits(await outputsFor(connection, ask("digits_v1", [image])), image, "1");
    expect((await outputsFor(connection, addSub())).map(shown)).toEqual(SUMS);
  });

  it("takes named rows where the config says so", async () => {
    const words = { models: { digits: { rows: "named" } } };
    const own = connectLive(tested, server().http, { words, signatures: { digits: DIGITS } });
    const image = pictures(2);
    await expectDigits(await outputsFor(own, ask("digits", [image])), image, "2");
    await own.close();
  });

  it("gives back 64-bit integers, doubles and texts as they went in", async () => {
    const inputs = [
      {
        ...numbers("i", "INT64", [2], [0, 0]),
        data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer),
      },
      numbers("d", "FP64", [2, 1], [0.1, 1e300]),
      numbers("b", "BOOL", [2], [1, 0]),
      texts("t", [2, 1], ["é", ""]),
    ];
    const outputs = inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
    const own = connectLive(tested, server().http, { signatures: { echo: { inputs: [], outputs } } });
    expect((await outputsFor(own, ask("echo", inputs))).map(shown)).toEqual(inputs.map(shown));
    await own.close();
  });

  it("finds types in the text where no signature is declared", async () => {
    const x = numbers("x", "INT64", [2, 2], [1, 2, 3, 4]);
    expect((await outputsFor(connection, ask("echo", [x]))).map(shown)).toEqual([shown({ ...x, name: "output" })]);
  });

  it("passes a caller's own JSON, and explains", async () => {
    const [answer] = await outputsFor(connection, ask("echo", [json({ instances: ["any", { x: [1] }] })]));
    expect(JSON.parse(Buffer.from(payloadOf(answer as never)).toString())).toEqual({
      predictions: ["any", { x: [1] }],
    });
    const request = ask("echo", [json({ instances: [1] })], { task: "explain" });
    const [explained] = await outputsFor(connection, request);
    expect(JSON.parse(Buffer.from(payloadOf(explained as never)).toString())).toEqual({ explanations: [1] });
    expect(explained?.parameters?.get("content_type")).toBe("application/json");
  });

  it("tells whose fault each fault is", async () => {
    const what = (value: number) => ask("faulty", [numbers("what", "INT32", [1], [value])]);
    expect(await fault(what(-1))).toEqual([
      "bad-backend backend no",
      expect.stringContaining("the model refuses this input"),
    ]);
    expect((await fault(what(-2)))[0]).toMatch(/^bad-backend backend/);
    expect(await fault(ask("nobody", [pictures(1)]))).toEqual([
      "not-found client no",
      "Model with name nobody does not exist.",
    ]);
    const cut = opaqueTensor("body", Buffer.from('{"instances": [1'), { contentType: "application/json" });
    // KServe says of a model that was never ready that it does not exist
    expect((await fault(ask("slow", [pictures(1)])))[0]).toMatch(
      /^(not-found client no|unavailable backend elsewhere)$/,
    );
    expect((await fault(ask("echo", [cut])))[0]).toBe("invalid-argument client no");
    expect((await fault(ask("digits", [numbers("image", "FP32", [1, 1], [Number.NaN])])))[0]).toBe(
      "unsupported client no",
    );
    expect((await fault(what(3_000), 200))[0]).toBe("deadline-exceeded gateway no");
  });
});

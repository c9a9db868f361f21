// The kind `litserve` against the real LitServe.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { litserve, litserveServer } from "../../backends/litserve.ts";
import { ask, faultOf, numbers, partsOf } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";
import { connectLive, DIGITS, expectDigits, pictures } from "./json-calls.ts";
import { NEVER, outputsFor } from "./oip-calls.ts";
import { startLitServe } from "./servers/litserve.ts";
import { realServer } from "./support/suite.ts";

const tested = { kind: litserve, server: litserveServer };
const int = (name: string, value: number) => numbers(name, "INT32", [], [value]);

realServer("litserve", startLitServe, (server) => {
  let connection: Connection;
  beforeAll(() => {
    connection = connectLive(tested, server().http, { signatures: { digits: DIGITS, digits_v1: DIGITS } });
  });
  afterAll(() => connection.close());

  it("is healthy and tells its paths", async () => {
    expect(await connection.health(NEVER)).toMatch(/^litserve digits digits_v1 add_sub echo faulty batched stream\*$/);
    const models = await connection.models([], NEVER);
    expect(models.map(({ name }) => name)).toEqual([
      "digits",
      "digits_v1",
      "add_sub",
      "echo",
      "faulty",
      "batched",
      "stream",
    ]);
  });

  it("answers the model's outputs byte for byte", async () => {
    const image = pictures(7);
    await expectDigits(await outputsFor(connection, ask("digits", [image])), image, "2");
    await expectDigits(await outputsFor(connection, ask("digits_v1", [image])), image, "1");
  });

  it("gives back 64-bit integers, doubles and texts as they went in", async () => {
    const inputs = [
      {
        ...numbers("i", "INT64", [2], [0, 0]),
        data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer),
      },
      numbers("d", "FP64", [2, 1], [0.1, 1e300]),
    ];
    const connected = connectLive(tested, server().http, {
      signatures: {
        echo: { inputs: [], outputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })) },
      },
    });
    expect((await outputsFor(connected, ask("echo", inputs))).map(({ data }) => Buffer.from(data))).toEqual(
      inputs.map(({ data }) => Buffer.from(data)),
    );
  });

  it("streams a part a line, and a reader who stops stops it", async () => {
    await connection.health(NEVER);
    const call = liveCall();
    const parts = await partsOf(await connection.infer(ask("stream", [int("count", 4)], { stream: true }), call));
    expect(parts.map(({ outputs }) => Number(Buffer.from(outputs[0]!.data).readBigInt64LE()))).toEqual([0, 1, 2, 3]);
    const reply = await connection.infer(ask("stream", [int("count", 1000), int("pause_ms", 20)]), call);
    if (reply.kind !== "stream") throw new Error("expected a stream");
    for await (const part of reply.parts) {
      expect(part.outputs).toHaveLength(1);
      break;
    }
    call.end();
  });

  it.each([
    [400, ["invalid-argument", "client"]],
    [404, ["not-found", "client"]],
    [422, ["invalid-argument", "client"]],
    [429, ["overloaded", "backend"]],
    [503, ["unavailable", "backend"]],
  ])("answers an exception of status %i as %j", async (status, expected) => {
    const fault = await faultOf(connection.infer(ask("faulty", [int("status", status)]), liveCall()));
    expect(fault.slice(0, 2)).toEqual(expected);
  });

  it("does not tell a caller's mistake from its own", async () => {
    const fault = await faultOf(connection.infer(ask("digits", [int("other", 1)]), liveCall()));
    expect(fault).toEqual(["bad-backend", "backend", "no", expect.stringContaining("may lie in the data")]);
    expect((await faultOf(connection.infer(ask("nobody", [int("x", 1)]), liveCall())))[0]).toBe("not-found");
  });
});

describe("with a key", () => {
  realServer(
    "litserve",
    () => startLitServe({ apiKey: "the key" }),
    (server) => {
      it("is healthy only for who sends it", async () => {
        const without = connectLive(tested, server().http);
        expect((await faultOf(without.health(NEVER))).slice(0, 2)).toEqual(["bad-backend", "backend"]);
        const wrong = connectLive(tested, server().http, { words: { apiKey: "wrong" } });
        const image = pictures(1);
        expect((await faultOf(wrong.infer(ask("digits", [image]), liveCall())))[0]).toBe("bad-backend");
        const right = connectLive(tested, server().http, {
          words: { apiKey: "the key" },
          signatures: { digits: DIGITS },
        });
        expect(await right.health(NEVER)).toMatch(/^litserve digits/);
        await expectDigits(await outputsFor(right, ask("digits", [image])), image, "2");
      });
    },
  );
});

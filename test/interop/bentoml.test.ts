// The kind `bentoml` against the real BentoML.

import { afterAll, beforeAll, expect, it } from "vitest";
import { bentoml, bentomlServer } from "../../backends/bentoml.ts";
import type { Connection } from "../../backends/connection.ts";
import { ask, faultOf, numbers, partsOf, texts } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";
import { connectLive, DIGITS, expectDigits, pictures } from "./json-calls.ts";
import { NEVER, outputsFor } from "./oip-calls.ts";
import { startBentoMl } from "./servers/bentoml.ts";
import { realServer } from "./support/suite.ts";

const tested = { kind: bentoml, server: bentomlServer };
const int = (name: string, value: number) => numbers(name, "INT32", [], [value]);

realServer("bentoml", startBentoMl, (server) => {
  let connection: Connection;
  beforeAll(async () => {
    connection = connectLive(tested, server().http, { signatures: { digits: DIGITS, digits_v1: DIGITS } });
    expect(await connection.health(NEVER)).toMatch(/^bentoml sluice_demo [0-9a-f]{12}$/);
  });
  afterAll(() => connection.close());

  it("tells its APIs, and the signature where all of it is declared", async () => {
    const names = (await connection.models([], NEVER)).map(({ name }) => name).sort();
    expect(names).toEqual([
      "add_sub",
      "batched",
      "digits",
      "digits_v1",
      "echo",
      "faulty",
      "probabilities",
      "size",
      "stream",
    ]);
    const batched = await connection.metadata({ name: "batched" }, NEVER);
    expect(batched).toMatchObject({
      inputs: DIGITS.inputs,
      outputs: [{ name: "output", datatype: "FP32", shape: [-1, 10] }],
      batchDim: 0,
    });
    expect((await faultOf(connection.metadata({ name: "digits" }, NEVER)))[0]).toBe("unsupported");
  });

  it("answers the model's outputs byte for byte", async () => {
    const image = pictures(7);
    await expectDigits(await outputsFor(connection, ask("digits", [image])), image, "2");
    await expectDigits(await outputsFor(connection, ask("digits_v1", [image])), image, "1");
    for (const model of ["probabilities", "batched"]) {
      const [output] = await outputsFor(connection, ask(model, [image]));
      await expectDigits([{ ...output!, name: "probabilities" }], image, "2");
    }
  });

  it("gets files as parts of a form", async () => {
    const file = { ...texts("file", [1], ["x".repeat(70_000)]), parameters: new Map([["content_type", "image/png"]]) };
    const [size] = await outputsFor(connection, ask("size", [file]));
    expect([size!.datatype, Buffer.from(size!.data).readBigInt64LE()]).toEqual(["INT64", 70_000n]);
  });

  it("gives back 64-bit integers as they went in", async () => {
    const value = {
      ...numbers("value", "INT64", [2], [0, 0]),
      data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer),
    };
    const [output] = await outputsFor(connection, ask("echo", [value]));
    expect([output!.datatype, Buffer.from(output!.data)]).toEqual(["INT64", Buffer.from(value.data)]);
  });

  it("streams pieces", async () => {
    const parts = await partsOf(await connection.infer(ask("stream", [int("count", 5)], { stream: true }), liveCall()));
    const text = parts.map(({ outputs }) => Buffer.from(outputs[0]!.data).toString("utf8", 4)).join("");
    expect(text).toBe('{"i": 0}\n{"i": 1}\n{"i": 2}\n{"i": 3}\n{"i": 4}\n');
  });

  it.each([
    [400, ["invalid-argument", "client", "no", "the service refuses this request"]],
    [404, ["not-found", "client", "no", "the service refuses this request"]],
    [429, ["overloaded", "backend", "later", expect.anything()]],
    [503, ["overloaded", "backend", "elsewhere", expect.anything()]],
    [500, ["bad-backend", "backend", "no", expect.anything()]],
  ])("answers an exception of status %i as %j", async (status, expected) => {
    expect(await faultOf(connection.infer(ask("faulty", [int("status", status)]), liveCall()))).toEqual(expected);
  });

  it("tells what is wrong about an input", async () => {
    const fault = await faultOf(
      connection.infer(ask("probabilities", [numbers("image", "FP32", [1, 3], [1, 2, 3])]), liveCall()),
    );
    expect(fault).toEqual([
      "invalid-argument",
      "client",
      "no",
      expect.stringContaining("image: Value error, cannot reshape"),
    ]);
    expect((await faultOf(connection.infer(ask("nobody", [int("x", 1)]), liveCall())))[0]).toBe("not-found");
  });
});

// The kinds `http` and `sagemaker` (as a container) against a real Flask service.

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { http, httpServer } from "../../backends/http.ts";
import { sagemaker, sagemakerServer } from "../../backends/sagemaker.ts";
import { parseYaml } from "../../config/load.ts";
import { ask, faultOf, numbers, texts } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";
import { connectLive, DIGITS, expectDigits, pictures } from "./json-calls.ts";
import { NEVER, outputsFor } from "./oip-calls.ts";
import { startFlask } from "./servers/flask.ts";
import { realServer } from "./support/suite.ts";

const templates = { kind: http, server: httpServer };
const containers = { kind: sagemaker, server: sagemakerServer };
const int = (name: string, value: number) => numbers(name, "INT32", [], [value]);

/** What a config says of the service. */
const WORDS = `
ready: {path: /health}
errors: {418: overloaded}
models:
  digits:
    path: /predict/digits
    request: {json: {image: "{{image}}"}}
    response: {outputs: {probabilities: result.probabilities, digit: result.digit}}
  flat:
    path: /predict/digits?version=1
    request: {json: {image: "{{image.flat}}"}}
    response: {outputs: {probabilities: "result.probabilities[*]"}}
  add_sub:
    path: /predict/add_sub
    response: {outputs: {OUTPUT0: sum, OUTPUT1: difference}}
  echo: {path: /echo}
  raw: {path: /echo, request: {raw: body}, response: {raw: body}}
  faulty: {path: /faulty}
`;

realServer("flask", startFlask, (server) => {
  let connection: Connection;
  beforeAll(() => {
    const digits = { digits: DIGITS, flat: { ...DIGITS, outputs: DIGITS.outputs.slice(0, 1) } };
    connection = connectLive(templates, server().http, { words: parseYaml(WORDS) as object, signatures: digits });
  });
  afterAll(() => connection.close());

  it("is ready where the config says so", async () => {
    expect(await connection.health(NEVER)).toBe("http");
    const elsewhere = connectLive(templates, server().http, { words: { ready: { path: "/nowhere" } } });
    expect((await faultOf(elsewhere.health(NEVER)))[0]).toBe("unavailable");
  });

  it("answers the model's outputs byte for byte, nested or flat, by path or by expression", async () => {
    const image = pictures(7);
    await expectDigits(await outputsFor(connection, ask("digits", [image])), image, "2");
    await expectDigits(await outputsFor(connection, ask("flat", [image])), image, "1");
  });

  it("answers integers without a signature", async () => {
    const row = Array.from({ length: 16 }, (_, i) => i);
    const inputs = ["INPUT0", "INPUT1"].map((name) => numbers(name, "INT32", [1, 16], row));
    const [sum, difference] = await outputsFor(connection, ask("add_sub", inputs));
    expect([...new BigInt64Array(Uint8Array.from(sum!.data).buffer)].map(Number)).toEqual(row.map((i) => i * 2));
    expect([difference!.name, difference!.shape]).toEqual(["OUTPUT1", [1, 16]]);
  });

  it("gives 64-bit integers, NaN and infinities back exactly", async () => {
    const big = {
      ...numbers("i", "INT64", [2], [0, 0]),
      data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer),
    };
    const odd = numbers("f", "FP32", [3], [Number.NaN, Number.POSITIVE_INFINITY, 0.1]);
    const outputs = await outputsFor(connection, ask("echo", [big, odd]));
    expect(outputs.map(({ datatype, data }) => [datatype, Buffer.from(data)])).toEqual([
      ["INT64", Buffer.from(big.data)],
      ["FP32", Buffer.from(odd.data)],
    ]);
  });

  it("passes an opaque payload there and back", async () => {
    const body = { ...texts("body", [1], ["\u0000jpeg\n"]), parameters: new Map([["content_type", "image/jpeg"]]) };
    const [back] = await outputsFor(connection, ask("raw", [body]));
    expect([Buffer.from(back!.data), back!.parameters]).toEqual([Buffer.from(body.data), body.parameters]);
  });

  it.each([
    [400, ["invalid-argument", "client", "no", "the service refuses this request"]],
    [404, ["bad-backend", "backend", "no", "the backend answered with status 404"]],
    [418, ["overloaded", "backend", "later", "the backend answered with status 418"]],
    [500, ["bad-backend", "backend", "elsewhere", "the backend answered with status 500"]],
    [503, ["unavailable", "backend", "elsewhere", "the backend answered with status 503"]],
  ])("answers status %i as %j", async (status, expected) => {
    expect(await faultOf(connection.infer(ask("faulty", [int("status", status)]), liveCall()))).toEqual(expected);
  });

  it("is read as what it is where it says JSON and is not", async () => {
    const fault = await faultOf(connection.infer(ask("faulty", [texts("body", [], ["<html>"])]), liveCall()));
    expect(fault.slice(0, 2)).toEqual(["bad-backend", "backend"]);
  });

  const signature = { inputs: DIGITS.inputs, outputs: DIGITS.outputs.slice(0, 1) };

  it.each(["instances", "csv"])("is a SageMaker container that takes %s", async (format) => {
    const container = connectLive(containers, server().http, {
      words: { mode: "container", models: { m: { format } } },
      signatures: { m: signature },
    });
    expect(await container.health(NEVER)).toBe("sagemaker container");
    const image = pictures(5);
    await expectDigits(await outputsFor(container, ask("m", [image])), image, "2");
  });

  it("is a SageMaker container of several models", async () => {
    const container = connectLive(containers, server().http, {
      words: { mode: "container", multiModel: true },
      signatures: { "digits-1": signature, "digits-2": signature },
    });
    expect((await container.models([], NEVER)).map(({ name }) => name)).toEqual(["digits-1", "digits-2"]);
    const image = pictures(3);
    await expectDigits(await outputsFor(container, ask("digits-1", [image])), image, "1");
    await expectDigits(await outputsFor(container, ask("digits-2", [image])), image, "2");
    const fault = await faultOf(container.infer(ask("digits-9", [image]), liveCall()));
    expect(fault).toEqual(["not-found", "client", "no", "Model not found: digits-9"]);
  });
});

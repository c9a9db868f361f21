// The gateway's gRPC half of the kind triton against the real Triton 2.51.

import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { openOipGrpc } from "../../backends/oip/grpc.ts";
import { openCall } from "../../core/call.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { systemClock } from "../../gateway/env.ts";
import { realGrpcDoor } from "../support/grpc-door.ts";
import { ask, faultOf, numbers, outputsOf, partsOf } from "../support/kind-door.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";

const signal = new AbortController().signal;
const call = (more: Partial<Parameters<typeof openCall>[0]> = {}) =>
  openCall({ id: "1", traceparent: "", clock: systemClock, protocol: "test", timeoutMs: 60_000, ...more });
const image = numbers(
  "image",
  "FP32",
  [1, 1, 8, 8],
  Array.from({ length: 64 }, (_, i) => i % 17),
);
/** The fault without its text. */
const faultWord = async (work: Promise<unknown>) => (await faultOf(work)).slice(0, 3).join(" ");
const int = (name: string, value: number) => numbers(name, "INT32", [1], [value]);
const row = (name: string, value: number) => numbers(name, "INT32", [1, 1], [value]);
const hex = ({ name, datatype, shape, data }: Tensor) => [name, datatype, shape, Buffer.from(data).toString("hex")];

const start = () => startTriton({ models: ["digits", "echo", "faulty", "stream", "batched", "sum", "broken"] });

realServer("triton", start, (server) => {
  let triton: Connection;
  beforeAll(() => {
    triton = openOipGrpc(realGrpcDoor(server().grpc), "auto");
  });
  afterAll(() => triton?.close());

  test("says what it is, which models it has, and their signatures", async () => {
    expect(await triton.health(signal)).toBe(`triton ${server().version}`);
    const models = await triton.models([], signal);
    expect(models).toContainEqual({ name: "digits", version: "1", state: "ready" });
    expect(models).toContainEqual({ name: "digits", version: "2", state: "ready" });
    const broken = models.find(({ name }) => name === "broken");
    expect(broken).toMatchObject({ state: "unavailable", reason: "Internal: ValueError: the model cannot be loaded" });
    expect(await triton.metadata({ name: "digits" }, signal)).toEqual({
      name: "digits",
      version: "2",
      versions: ["1", "2"],
      platform: "python",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
      outputs: [
        { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
        { name: "digit", datatype: "INT64", shape: [-1, 1] },
      ],
      batchDim: 0,
      stateful: false,
    });
    expect(await triton.metadata({ name: "stream" }, signal)).toMatchObject({ decoupled: true, stateful: false });
    expect(await triton.metadata({ name: "sum" }, signal)).toMatchObject({ stateful: true, batchDim: 0 });
    expect((await triton.metadata({ name: "echo" }, signal)).inputs[0]?.optional).toBe(true);
    expect(await faultWord(triton.metadata({ name: "nope" }, signal))).toBe("not-found client no");
  });

  test("carries every datatype bit by bit", async () => {
    for (const datatype of DATATYPES) {
      const width = ELEMENT_BYTES[datatype];
      const bytes = Buffer.from(
        Array.from({ length: 6 * width }, (_, i) => (datatype === "BOOL" ? i % 2 : 251 * i + 7)),
      );
      const texts = ["", "\u00e9", "\0\u00ff", "abc", "d", "e"].map((text) => Buffer.from(text, "latin1"));
      const data = datatype === "BYTES" ? joinBytesElements(texts) : bytes;
      const input: Tensor = { name: datatype.toLowerCase(), datatype, shape: [2, 3], data };
      const [output] = outputsOf(await triton.infer(ask("echo", [input]), call()));
      expect(hex(output!)).toEqual(hex(input));
    }
  });

  test("runs the version asked for, and gives the outputs asked for in their order", async () => {
    const outputs = ["digit", "probabilities"].map((name) => ({ name, parameters: new Map() }));
    const request = {
      ...ask("digits", [image], { outputs }),
      model: { name: "digits", select: { by: "version", version: "1" } },
    } as const;
    const reply = await triton.infer(request, call());
    expect(reply).toMatchObject({ kind: "whole", model: { name: "digits", version: "1" } });
    expect(outputsOf(reply).map(({ name }) => name)).toEqual(["digit", "probabilities"]);
  });

  test("tells a caller's mistakes from its own faults", async () => {
    const asked = {
      ...ask("digits", [image]),
      model: { name: "digits", select: { by: "version", version: "9" } },
    } as const;
    const faults = [
      triton.infer(ask("nope", [image]), call()),
      triton.infer(asked, call()),
      triton.infer(ask("digits", []), call()),
      triton.infer(ask("digits", [{ ...image, shape: [1, 64] }]), call()),
      triton.infer(ask("digits", [int("image", 1)]), call()),
      triton.infer(ask("faulty", [int("what", 0)], { outputs: [{ name: "zz", parameters: new Map() }] }), call()),
      triton.infer(ask("faulty", [int("what", -1)]), call()),
      triton.infer(ask("sum", [row("value", 1)]), call()),
    ];
    const seen = await Promise.all(faults.map(faultOf));
    expect(seen.map(([code, origin, retryable]) => `${code} ${origin} ${retryable}`)).toEqual([
      "not-found client no",
      "not-found client no",
      "invalid-argument client no",
      "invalid-argument client no",
      "invalid-argument client no",
      "invalid-argument client no",
      "bad-backend backend no",
      "invalid-argument client no",
    ]);
    expect(seen[6]?.[3]).toBe(
      "Failed to process the request(s) for model 'faulty_0_0', message: ValueError: the model refuses this input",
    );
  });

  test("streams the answers of a decoupled model, asked for a stream or not", async () => {
    const counted = async (stream: boolean) => {
      const parts = await partsOf(await triton.infer(ask("stream", [int("count", 3)], { stream }), call()));
      return parts.flatMap(({ outputs }) => outputs.map(({ data }) => data[0]));
    };
    expect(await counted(true)).toEqual([0, 1, 2]);
    expect(await counted(false)).toEqual([0, 1, 2]);
    expect(await partsOf(await triton.infer(ask("stream", [int("count", 0)], { stream: true }), call()))).toEqual([]);
    // the only answer of a model that is not decoupled says that it is the last
    expect((await triton.infer(ask("faulty", [int("what", 0)], { stream: true }), call())).kind).toBe("whole");
  });

  test("fails a stream with the model's own error, before its first answer or behind it", async () => {
    const inputs = (at: number) => [int("count", 3), int("fail_at", at)];
    const message = (at: number) => ["bad-backend", "backend", "no", `the model fails at ${at}`];
    expect(await faultOf(triton.infer(ask("stream", inputs(0), { stream: true }), call()))).toEqual(message(0));
    const reply = await triton.infer(ask("stream", inputs(1), { stream: true }), call());
    expect(await faultOf(partsOf(reply))).toEqual(message(1));
    const unknown = triton.infer(ask("nope", [int("count", 3)], { stream: true }), call());
    expect(await faultWord(unknown)).toBe("not-found client no");
    const bad = triton.infer(ask("stream", [int("zzz", 3)], { stream: true }), call());
    expect(await faultWord(bad)).toBe("invalid-argument client no");
  });

  test("stops the model when the reader of a stream stops", async () => {
    const inputs = [int("count", 200), int("pause_ms", 20)];
    const reply = await triton.infer(ask("stream", inputs, { stream: true }), call());
    if (reply.kind !== "stream") throw new Error("no stream");
    for await (const { outputs } of reply.parts) if (outputs[0]?.data[0] === 2) break;
    await vi.waitFor(() => expect(existsSync(server().cancelled)).toBe(true), { timeout: 10_000, interval: 50 });
    expect(readFileSync(server().cancelled, "utf8")).toMatch(/^cancelled before \d+\n$/);
  });

  test("says that its queue is full", async () => {
    const asked = Array.from({ length: 40 }, () => triton.infer(ask("batched", [row("what", 200)]), call()));
    const settled = await Promise.allSettled(asked);
    const faults = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(faults.length).toBeGreaterThan(0);
    expect(settled.some((one) => one.status === "fulfilled")).toBe(true);
    for (const { code, retryable } of faults) expect([code, retryable]).toEqual(["overloaded", "elsewhere"]);
  });

  test("keeps the state of a sequence", async () => {
    const value = async (value: number, start: boolean, end: boolean) => {
      const sequence = { id: 77n, start, end };
      return outputsOf(await triton.infer(ask("sum", [row("value", value)]), call({ sequence })))[0]?.data[0];
    };
    expect([await value(1, true, false), await value(2, false, false), await value(3, false, true)]).toEqual([1, 3, 6]);
  });

  test("takes and gives 70 MB in one message", async () => {
    const data = new Uint8Array(70e6).map((_, i) => i * 7);
    const input: Tensor = { name: "uint8", datatype: "UINT8", shape: [70, 1e6], data };
    const [output] = outputsOf(await triton.infer(ask("echo", [input]), call()));
    expect(Buffer.compare(output!.data, data)).toBe(0);
  });

  test("stops waiting when the call's time has run out", async () => {
    const late = triton.infer(ask("faulty", [int("what", 3000)]), call({ timeoutMs: 200 }));
    expect(await faultWord(late)).toBe("deadline-exceeded gateway no");
  });

  test("loads and unloads models, and tells their config and statistics", async () => {
    const { load, unload, config, statistics } = triton.control!;
    expect(await config!({ name: "sum" }, signal)).toMatchObject({
      name: "sum",
      max_batch_size: 1,
      sequence_batching: {},
    });
    expect(await statistics!({ name: "sum" }, signal)).toMatchObject({ model_stats: [{ name: "sum", version: "1" }] });
    await unload!("digits", signal);
    const states = async () =>
      (await triton.models([], signal)).filter(({ name }) => name === "digits").map(({ state }) => state);
    await vi.waitFor(async () => expect(await states()).toEqual(["unavailable", "unavailable"]), { timeout: 10_000 });
    await load!("digits", signal);
    expect(await states()).toEqual(["ready", "ready"]);
    expect(await faultWord(load!("nope", signal))).toBe("not-found client no");
  });
});

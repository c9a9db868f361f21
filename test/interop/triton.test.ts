// The kind `triton` over HTTP against the real Triton.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { openOipHttp } from "../../backends/oip/http.ts";
import { type Datatype, NO_PARAMETERS } from "../../core/tensor.ts";
import { ask, faultOf, numbers } from "../support/kind-door.ts";
import { liveDoor } from "../support/live-door.ts";
import {
  addSub,
  bytesTensor,
  EDGES,
  edge,
  faulty,
  inferOnce,
  NEVER,
  ODD_FP32,
  ones,
  only,
  outputsFor,
  SUMS,
  shown,
} from "./oip-calls.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";

const start = () =>
  startTriton({ models: ["digits", "add_sub", "echo", "faulty", "stream", "batched", "sum", "broken"] });

realServer("triton", start, (server) => {
  let connection: Connection;

  beforeAll(() => {
    connection = openOipHttp(liveDoor(`http://127.0.0.1:${server().http}`), "triton");
  });
  afterAll(() => connection.close());

  const batched = (what: number, rows: number) =>
    ask("batched", [numbers("what", "INT32", [rows, 1], Array<number>(rows).fill(what))]);

  it("says what it is, and which models it has in which state", async () => {
    expect(await connection.health(NEVER)).toBe("triton 2.51.0");
    const models = await connection.models(["nobody"], NEVER);
    expect(models.map(({ name, version, state }) => `${name} ${version} ${state}`).sort()).toEqual([
      "add_sub 1 ready",
      "batched 1 ready",
      "broken 1 unavailable",
      "digits 1 ready",
      "digits 2 ready",
      "echo 1 ready",
      "faulty 1 ready",
      "stream 1 ready",
      "sum 1 ready",
    ]);
    // the reason without the stack, which names the server's files
    expect(models.find(({ name }) => name === "broken")?.reason).toBe(
      "Internal: ValueError: the model cannot be loaded",
    );
  });

  it("tells signatures, rows, state and streams", async () => {
    expect(await connection.metadata({ name: "digits" }, NEVER)).toEqual({
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
    const addSubs = await connection.metadata({ name: "add_sub", version: "1" }, NEVER);
    expect("batchDim" in addSubs).toBe(false);
    expect(await connection.metadata({ name: "sum" }, NEVER)).toMatchObject({ stateful: true });
    const stream = await connection.metadata({ name: "stream" }, NEVER);
    expect(stream.decoupled).toBe(true);
    expect(stream.inputs.map(({ name, optional }) => [name, optional])).toEqual([
      ["count", undefined],
      ["pause_ms", true],
      ["fail_at", true],
    ]);
    expect(await faultOf(connection.metadata({ name: "digits", version: "9" }, NEVER))).toEqual([
      "not-found",
      "client",
      "no",
      "Request for unknown model: 'digits' version 9 is not found",
    ]);
  });

  it.each(Object.keys(EDGES) as Exclude<Datatype, "BYTES">[])("carries %s bit by bit", async (datatype) => {
    const tensor = edge(datatype);
    const [output] = await outputsFor(connection, ask("echo", [tensor], only(tensor.name)));
    expect(output && shown(output)).toEqual(shown(tensor));
  });

  it("carries NaN, infinities, texts, and bytes that are no text", async () => {
    const odd = edge("FP32", ODD_FP32);
    const bytes = bytesTensor(["", "é", Buffer.from([0, 255, 254])]);
    const outputs = await outputsFor(connection, ask("echo", [odd, bytes], only("fp32", "bytes")));
    expect(outputs.map(shown)).toEqual([odd, bytes].map(shown));
  });

  it("carries 16 MiB, with its bytes as they were", async () => {
    const data = new Uint8Array(16 * 2 ** 20);
    for (let at = 0; at < data.byteLength; at += 4099) data[at] = at % 251;
    const tensor = { name: "uint8", datatype: "UINT8", shape: [4096, 4096], data } as const;
    const [output] = await outputsFor(connection, ask("echo", [tensor], only("uint8")));
    expect(Buffer.compare(output?.data ?? new Uint8Array(), data)).toBe(0);
  });

  it("gives the outputs in the order asked, all of them when none is named, and tensors without rows", async () => {
    expect((await inferOnce(connection, addSub())).outputs.map(shown)).toEqual(SUMS);
    const turned = await outputsFor(connection, addSub(only("OUTPUT1", "OUTPUT0")));
    expect(turned.map(({ name }) => name)).toEqual(["OUTPUT1", "OUTPUT0"]);
    const none = addSub().inputs.map((input) => ({ ...input, shape: [0, 16], data: new Uint8Array() }));
    const empty = await outputsFor(connection, { ...addSub(), inputs: none });
    expect(empty.map(({ shape, data }) => [shape, data.byteLength])).toEqual([
      [[0, 16], 0],
      [[0, 16], 0],
    ]);
  });

  it("answers by version, and says which", async () => {
    for (const version of ["1", "2"]) {
      const request = ask("digits", [ones("image", [1, 1, 8, 8])], {
        model: { name: "digits", select: { by: "version", version } },
      });
      expect((await inferOnce(connection, request)).model).toEqual({ name: "digits", version });
    }
    const newest = await inferOnce(connection, ask("digits", [ones("image", [1, 1, 8, 8])]));
    expect(newest.model.version).toBe("2");
  });

  describe("when asked wrongly", () => {
    const [input0, input1] = addSub().inputs as [never, never];
    it.each([
      ["an unknown model", ask("nobody", addSub().inputs), ["not-found", "client", "no"]],
      ["a name that no path holds", ask("a b/c?#é", addSub().inputs), ["not-found", "client", "no"]],
      ["a model that cannot be loaded", ask("broken", [input0]), ["unavailable", "backend", "elsewhere"]],
      [
        "an unknown version",
        addSub({ model: { name: "add_sub", select: { by: "version", version: "9" } } }),
        ["not-found", "client", "no"],
      ],
      [
        "a version that is no number",
        addSub({ model: { name: "add_sub", select: { by: "version", version: "x" } } }),
        ["not-found", "client", "no"],
      ],
      ["an unknown output", addSub(only("nothing")), ["invalid-argument", "client", "no"]],
      ["no inputs", ask("add_sub", []), ["invalid-argument", "client", "no"]],
      ["an input too few", ask("add_sub", [input0]), ["invalid-argument", "client", "no"]],
      [
        "an input too many",
        ask("add_sub", [input0, input1, numbers("INPUT2", "INT32", [1], [1])]),
        ["invalid-argument", "client", "no"],
      ],
      [
        "a wrong shape",
        ask("add_sub", [numbers("INPUT0", "INT32", [1], [1]), input1]),
        ["invalid-argument", "client", "no"],
      ],
      [
        "a wrong datatype",
        ask("add_sub", [numbers("INPUT0", "FP32", [1, 16], Array<number>(16).fill(0)), input1]),
        ["invalid-argument", "client", "no"],
      ],
      ["too many rows", batched(0, 9), ["invalid-argument", "client", "no"]],
      [
        "a parameter that is Triton's own",
        addSub({ parameters: new Map([["triton_x", 1n]]) }),
        ["invalid-argument", "client", "no"],
      ],
      [
        "no sequence for a model that keeps state",
        ask("sum", [numbers("value", "INT32", [1, 1], [1])]),
        ["invalid-argument", "client", "no"],
      ],
      ["a model that streams", ask("stream", [numbers("count", "INT32", [1], [2])]), ["unsupported", "gateway", "no"]],
    ] as const)("says whose fault it is: %s", async (_, request, expected) => {
      expect((await faultOf(inferOnce(connection, request))).slice(0, 3)).toEqual(expected);
    });
  });

  it("passes a model's own error on, without its stack", async () => {
    expect(await faultOf(inferOnce(connection, faulty(-1)))).toEqual([
      "bad-backend",
      "backend",
      "no",
      "Failed to process the request(s) for model 'faulty_0_0', message: ValueError: the model refuses this input",
    ]);
    expect((await faultOf(inferOnce(connection, faulty(-2)))).slice(0, 3)).toEqual([
      "bad-backend",
      "backend",
      "elsewhere",
    ]);
  });

  it("keeps a sequence together", async () => {
    const totals: number[] = [];
    for (let i = 0; i < 3; i++) {
      const request = ask("sum", [numbers("value", "INT32", [1, 1], [5])]);
      const sequence = { id: 42n, start: i === 0, end: i === 2 };
      const [total] = await outputsFor(connection, request, { sequence });
      totals.push(total?.data[0] ?? -1);
    }
    expect(totals).toEqual([5, 10, 15]);
  });

  it("says that the server's queue is full, so that another endpoint is asked", async () => {
    const work = Array.from({ length: 8 }, () =>
      inferOnce(connection, batched(300, 8), { timeoutMs: 20_000, priority: 1 }).then(
        () => "ok",
        (error) => `${error.code} ${error.origin} ${error.retryable}`,
      ),
    );
    const came = new Set(await Promise.all(work));
    expect([...came].sort()).toEqual(["ok", "overloaded backend elsewhere"]);
  });

  it("leaves when the caller's time is over", async () => {
    const startedAt = performance.now();
    const fault = await faultOf(inferOnce(connection, faulty(2000), { timeoutMs: 100 }));
    expect(fault.slice(0, 3)).toEqual(["deadline-exceeded", "gateway", "no"]);
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it("shows configs and statistics, and unloads and loads", async () => {
    const control = connection.control ?? {};
    expect(await control.config?.({ name: "batched" }, NEVER)).toMatchObject({ name: "batched", max_batch_size: 8 });
    expect(await control.statistics?.({ name: "digits", version: "2" }, NEVER)).toMatchObject({
      model_stats: [{ name: "digits", version: "2" }],
    });
    for (const what of [control.config, control.statistics]) {
      expect((await faultOf(what?.({ name: "nobody" }, NEVER) ?? Promise.resolve())).slice(0, 3)).toEqual([
        "not-found",
        "client",
        "no",
      ]);
    }
    expect((await faultOf(control.load?.("nobody", NEVER) ?? Promise.resolve()))[0]).toBe("not-found");
    await control.unload?.("digits", NEVER);
    const gone = (await connection.models([], NEVER)).filter(({ name }) => name === "digits");
    expect(gone.map(({ state }) => state).filter((state) => state === "ready")).toEqual([]);
    await control.load?.("digits", NEVER);
    const back = (await connection.models([], NEVER)).filter(({ name }) => name === "digits");
    expect(back.map(({ version, state }) => `${version} ${state}`)).toEqual(["1 ready", "2 ready"]);
  });

  it("is found out by `auto` just the same", async () => {
    const other = openOipHttp(liveDoor(`http://127.0.0.1:${server().http}`), "auto");
    try {
      expect(await other.health(NEVER)).toBe("triton 2.51.0");
      const half = edge("FP16");
      const [output] = await outputsFor(
        other,
        ask("echo", [half], { outputs: [{ name: "fp16", parameters: NO_PARAMETERS }] }),
      );
      expect(output && shown(output)).toEqual(shown(half));
    } finally {
      await other.close();
    }
  });
});

// The gRPC half of the kind oip against the real MLServer 1.7.1.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { openOipGrpc } from "../../backends/oip/grpc.ts";
import { openCall } from "../../core/call.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { systemClock } from "../../gateway/env.ts";
import { realGrpcDoor } from "../support/grpc-door.ts";
import { ask, faultOf, numbers, outputsOf, partsOf } from "../support/kind-door.ts";
import { startMlServer } from "./servers/mlserver.ts";
import { realServer } from "./support/suite.ts";

const signal = new AbortController().signal;
const call = () => openCall({ id: "1", traceparent: "", clock: systemClock, protocol: "test", timeoutMs: 60_000 });
const image = numbers("image", "FP32", [1, 1, 8, 8], Array<number>(64).fill(0));
const int = (name: string, value: number) => numbers(name, "INT32", [1], [value]);
const faultWord = async (work: Promise<unknown>) => (await faultOf(work)).slice(0, 3).join(" ");

realServer("mlserver", startMlServer, (server) => {
  let mlserver: Connection;
  beforeAll(() => {
    mlserver = openOipGrpc(realGrpcDoor(server().grpc), "auto");
  });
  afterAll(() => mlserver?.close());

  test("says what it is and which models it has, also those without versions", async () => {
    expect(await mlserver.health(signal)).toBe(`mlserver ${server().version}`);
    const models = await mlserver.models([], signal);
    expect(models).toContainEqual({ name: "digits", version: "1", state: "ready" });
    expect(models).toContainEqual({ name: "digits", version: "2", state: "ready" });
    expect(models).toContainEqual({ name: "echo", version: "1", state: "ready" });
    expect(await mlserver.metadata({ name: "digits", version: "2" }, signal)).toMatchObject({
      version: "2",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
      batchDim: 0,
    });
    expect(await faultWord(mlserver.metadata({ name: "echo" }, signal))).toBe("unsupported client no");
    expect(await faultWord(mlserver.metadata({ name: "nope" }, signal))).toBe("not-found client no");
  });

  test("carries every datatype but BF16 bit by bit, and says nothing of its own about them", async () => {
    for (const datatype of DATATYPES) {
      if (datatype === "BF16") continue;
      const width = ELEMENT_BYTES[datatype];
      const bytes = Buffer.from(
        Array.from({ length: 6 * width }, (_, i) => (datatype === "BOOL" ? i % 2 : 31 * i + 7)),
      );
      const texts = ["", "\u00e9", "\0\u00ff", "abc", "d", "e"].map((text) => Buffer.from(text, "latin1"));
      const data = datatype === "BYTES" ? joinBytesElements(texts) : bytes;
      const input: Tensor = { name: "x", datatype, shape: [6], data };
      const reply = await mlserver.infer(ask("echo", [input]), call());
      expect(reply).toMatchObject({ model: { name: "echo", version: "1" }, parameters: new Map() });
      const [output] = outputsOf(reply);
      expect({ ...output, data: Buffer.from(output!.data) }).toEqual({ ...input, data: Buffer.from(data) });
    }
  });

  test("runs the version asked for", async () => {
    const request = { ...ask("digits", [image]), model: { name: "digits", select: { by: "version", version: "1" } } };
    const reply = await mlserver.infer(request as ReturnType<typeof ask>, call());
    expect(reply).toMatchObject({ model: { name: "digits", version: "1" } });
  });

  test("tells a caller's mistakes from its own faults", async () => {
    expect(await faultWord(mlserver.infer(ask("nope", [image]), call()))).toBe("not-found client no");
    expect(await faultOf(mlserver.infer(ask("faulty", [int("what", -1)]), call()))).toEqual([
      "bad-backend",
      "backend",
      "elsewhere",
      "the server failed: the model refuses this input",
    ]);
    expect(await faultWord(mlserver.infer(ask("faulty", [int("what", -2)]), call()))).toBe(
      "bad-backend backend elsewhere",
    );
    const asked = ask("faulty", [int("what", -3)], { outputs: [{ name: "said", parameters: new Map() }] });
    expect((await faultOf(mlserver.infer(asked, call())))[3]).toBe('the backend\'s answer lacks output "said"');
  });

  test("streams its answers, which have no envelope", async () => {
    const parts = await partsOf(await mlserver.infer(ask("echo", [int("x", 7)], { stream: true }), call()));
    expect(parts.map(({ outputs }) => outputs[0]?.data[0])).toEqual([7, 7, 7]);
    expect(await faultWord(mlserver.infer(ask("nope", [int("x", 7)], { stream: true }), call()))).toBe(
      "not-found client no",
    );
  });

  test("unloads and loads models", async () => {
    const { load, unload } = mlserver.control!;
    const state = async () => (await mlserver.models([], signal)).find(({ name }) => name === "add_sub")?.state;
    await unload!("add_sub", signal);
    expect(await state()).toBe("unavailable");
    await load!("add_sub", signal);
    expect(await state()).toBe("ready");
    expect(await faultWord(load!("nope", signal))).toBe("not-found client no");
  });
});

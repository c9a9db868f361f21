// The gRPC half of the kind oip against the real KServe 0.21.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { openOipGrpc } from "../../backends/oip/grpc.ts";
import { openCall } from "../../core/call.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { systemClock } from "../../gateway/env.ts";
import { realGrpcDoor } from "../support/grpc-door.ts";
import { ask, faultOf, numbers, outputsOf } from "../support/kind-door.ts";
import { startKServe } from "./servers/kserve.ts";
import { realServer } from "./support/suite.ts";

const signal = new AbortController().signal;
const call = () => openCall({ id: "1", traceparent: "", clock: systemClock, protocol: "test", timeoutMs: 60_000 });
const image = numbers("image", "FP32", [1, 1, 8, 8], Array<number>(64).fill(0));
const int = (name: string, value: number) => numbers(name, "INT32", [1], [value]);
const faultWord = async (work: Promise<unknown>) => (await faultOf(work)).slice(0, 3).join(" ");

realServer("kserve", startKServe, (server) => {
  let kserve: Connection;
  beforeAll(() => {
    kserve = openOipGrpc(realGrpcDoor(server().grpc), "auto");
  });
  afterAll(() => kserve?.close());

  test("says what it is, and of the models asked about which are there", async () => {
    expect(await kserve.health(signal)).toBe(`kserve ${server().version}`);
    expect(await kserve.models(["digits", "nope", "echo"], signal)).toEqual([
      { name: "digits", version: "1", state: "ready" },
      { name: "echo", version: "1", state: "ready" },
    ]);
    expect(await kserve.metadata({ name: "digits", version: "1" }, signal)).toMatchObject({
      version: "1",
      versions: ["1"],
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
      batchDim: 0,
    });
    expect(await faultWord(kserve.metadata({ name: "echo" }, signal))).toBe("unsupported client no");
    expect(await faultWord(kserve.metadata({ name: "nope" }, signal))).toBe("not-found client no");
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
      const input: Tensor = { name: "x", datatype, shape: [2, 3], data };
      const [output] = outputsOf(await kserve.infer(ask("echo", [input]), call()));
      expect({ ...output, data: Buffer.from(output!.data) }).toEqual({ ...input, data: Buffer.from(data) });
    }
  });

  test("answers under the one version that was made up for it, and under no other", async () => {
    const asked = (version: string) =>
      kserve.infer(
        { ...ask("digits", [image]), model: { name: "digits", select: { by: "version", version } } },
        call(),
      );
    expect(await asked("1")).toMatchObject({ model: { name: "digits", version: "1" } });
    expect(await faultWord(asked("9"))).toBe("not-found client no");
  });

  test("tells a caller's mistakes from its own faults", async () => {
    expect(await faultWord(kserve.infer(ask("nope", [image]), call()))).toBe("not-found client no");
    expect(await faultOf(kserve.infer(ask("faulty", [int("what", -1)]), call()))).toEqual([
      "bad-backend",
      "backend",
      "elsewhere",
      "the server failed: Internal server error",
    ]);
    expect(await faultWord(kserve.infer(ask("faulty", [int("what", -2)]), call()))).toBe(
      "bad-backend backend elsewhere",
    );
  });

  test("answers whole where a stream would do", async () => {
    const reply = await kserve.infer(ask("echo", [int("x", 7)], { stream: true }), call());
    expect(outputsOf(reply)[0]?.data[0]).toBe(7);
  });
});

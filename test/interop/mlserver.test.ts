// The kind `oip` over HTTP against the real MLServer.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { openOipHttp } from "../../backends/oip/http.ts";
import type { Datatype } from "../../core/tensor.ts";
import { ask, faultOf } from "../support/kind-door.ts";
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
import { startMlServer } from "./servers/mlserver.ts";
import { realServer } from "./support/suite.ts";

realServer("mlserver", startMlServer, (server) => {
  let connection: Connection;

  beforeAll(async () => {
    connection = openOipHttp(liveDoor(`http://127.0.0.1:${server().http}`), "auto");
    expect(await connection.health(NEVER)).toBe("mlserver 1.7.1");
  });
  afterAll(() => connection.close());

  it("lists versions where a model has some, and makes one up where it has none", async () => {
    const models = await connection.models([], NEVER);
    expect(models.map(({ name, version, state }) => `${name} ${version} ${state}`).sort()).toEqual([
      "add_sub 1 ready",
      "digits 1 ready",
      "digits 2 ready",
      "echo 1 ready",
      "faulty 1 ready",
    ]);
    // echo has no version: the one that was made up stays here
    const request = ask("echo", [edge("INT8")], { model: { name: "echo", select: { by: "version", version: "1" } } });
    expect((await inferOnce(connection, request)).model).toEqual({ name: "echo", version: "1" });
  });

  it("tells signatures where the model's settings have one", async () => {
    const digits = await connection.metadata({ name: "digits", version: "2" }, NEVER);
    expect(digits.inputs).toEqual([{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }]);
    expect(digits.batchDim).toBe(0);
    expect((await faultOf(connection.metadata({ name: "echo" }, NEVER)))[0]).toBe("unsupported");
    expect((await faultOf(connection.metadata({ name: "nobody" }, NEVER)))[0]).toBe("not-found");
  });

  const carried = (Object.keys(EDGES) as Exclude<Datatype, "BYTES">[]).filter((datatype) => datatype !== "BF16");
  it.each(carried)("carries %s bit by bit, as JSON", async (datatype) => {
    const tensor = edge(datatype);
    const [output] = await outputsFor(connection, ask("echo", [tensor]));
    expect(output && shown(output)).toEqual(shown(tensor));
  });

  it("carries texts", async () => {
    const bytes = bytesTensor(["", "é", '"\\\u0000\n']);
    const [output] = await outputsFor(connection, ask("echo", [bytes]));
    expect(output && shown(output)).toEqual(shown(bytes));
  });

  it("answers by version, says which, and drops the parameters that it makes up", async () => {
    for (const version of ["1", "2"]) {
      const model = { name: "digits", select: { by: "version", version } } as const;
      const answer = await inferOnce(connection, ask("digits", [ones("image", [1, 1, 8, 8])], { model }));
      expect(answer.model).toEqual({ name: "digits", version });
      expect(answer.parameters.size).toBe(0);
      expect(answer.outputs.map(({ name, parameters }) => [name, parameters])).toEqual([
        ["probabilities", undefined],
        ["digit", undefined],
      ]);
    }
  });

  it("gives the outputs in the order asked, of a server that does not heed it", async () => {
    expect((await outputsFor(connection, addSub())).map(shown)).toEqual(SUMS);
    const [one, ...others] = await outputsFor(connection, addSub(only("OUTPUT1")));
    expect([one && shown(one), others]).toEqual([SUMS[1], []]);
    const none = addSub().inputs.map((input) => ({ ...input, shape: [0, 16], data: new Uint8Array() }));
    const empty = await outputsFor(connection, { ...addSub(), inputs: none });
    expect(empty.map(({ shape }) => shape)).toEqual([
      [0, 16],
      [0, 16],
    ]);
  });

  describe("when asked wrongly", () => {
    const [input0] = addSub().inputs as [never];
    const version9 = { model: { name: "add_sub", select: { by: "version", version: "9" } } } as const;
    it.each([
      ["an unknown model", ask("nobody", addSub().inputs), ["not-found", "client", "no"]],
      ["an unknown version", addSub(version9), ["not-found", "client", "no"]],
      ["an unknown output", addSub(only("nothing")), ["invalid-argument", "client", "no"]],
      ["NaN, which its JSON refuses", ask("echo", [edge("FP32", ODD_FP32)]), ["unsupported", "client", "no"]],
      ["bytes that are no text", ask("echo", [bytesTensor([Buffer.of(255)])]), ["unsupported", "client", "no"]],
      ["a datatype that it does not know", ask("echo", [edge("BF16")]), ["unsupported", "client", "no"]],
      // its 500 says nothing of why
      ["an input too few", ask("add_sub", [input0]), ["bad-backend", "backend", "elsewhere"]],
      ["an input that the model refuses", faulty(-1), ["bad-backend", "backend", "elsewhere"]],
      ["a model that answers nothing", faulty(-2), ["bad-backend", "backend", "elsewhere"]],
    ] as const)("says whose fault it is: %s", async (_, request, expected) => {
      expect((await faultOf(inferOnce(connection, request))).slice(0, 3)).toEqual(expected);
    });
  });

  it("unloads and loads", async () => {
    const states = async () =>
      (await connection.models([], NEVER)).filter(({ name }) => name === "digits").map(({ state }) => state);
    await connection.control?.unload?.("digits", NEVER);
    expect(await states()).toEqual(["unavailable", "unavailable"]);
    await connection.control?.load?.("digits", NEVER);
    expect(await states()).toEqual(["ready", "ready"]);
    expect((await faultOf(connection.control?.load?.("nobody", NEVER) ?? Promise.resolve()))[0]).toBe("not-found");
  });
});

// The kind `oip` over HTTP against the real KServe.

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
import { startKServe } from "./servers/kserve.ts";
import { realServer } from "./support/suite.ts";

realServer("kserve", startKServe, (server) => {
  let connection: Connection;

  beforeAll(async () => {
    connection = openOipHttp(liveDoor(`http://127.0.0.1:${server().http}`), "auto");
    expect(await connection.health(NEVER)).toBe("kserve 0.21.0");
  });
  afterAll(() => connection.close());

  it("lists the models that are ready, in the one version that there is", async () => {
    const models = await connection.models(["nobody"], NEVER);
    expect(models.map(({ name, version, state }) => `${name} ${version} ${state}`).sort()).toEqual([
      "add_sub 1 ready",
      "digits 1 ready",
      "digits_v1 1 ready",
      "echo 1 ready",
      "faulty 1 ready",
    ]);
  });

  it("tells signatures where the model has one, and has no versions", async () => {
    expect(await connection.metadata({ name: "digits", version: "1" }, NEVER)).toEqual({
      name: "digits",
      version: "1",
      versions: ["1"],
      platform: "",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
      outputs: [
        { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
        { name: "digit", datatype: "INT64", shape: [-1] },
      ],
      batchDim: 0,
      stateful: false,
    });
    expect(await faultOf(connection.metadata({ name: "echo" }, NEVER))).toEqual([
      "unsupported",
      "client",
      "no",
      'the server does not tell the signature of model "echo": declare it',
    ]);
    expect((await faultOf(connection.metadata({ name: "nobody" }, NEVER)))[0]).toBe("not-found");
    expect((await faultOf(connection.metadata({ name: "digits", version: "2" }, NEVER)))[0]).toBe("not-found");
  });

  const carried = (Object.keys(EDGES) as Exclude<Datatype, "BYTES">[]).filter((datatype) => datatype !== "BF16");
  it.each(carried)("carries %s bit by bit", async (datatype) => {
    const tensor = edge(datatype);
    const [output] = await outputsFor(connection, ask("echo", [tensor], only(tensor.name)));
    expect(output && shown(output)).toEqual(shown(tensor));
  });

  it("carries NaN and infinities, which are null in its JSON, and texts", async () => {
    const odd = edge("FP32", ODD_FP32);
    const bytes = bytesTensor(["", "é"]);
    const outputs = await outputsFor(connection, ask("echo", [odd, bytes]));
    expect(outputs.map(shown)).toEqual([odd, bytes].map(shown));
  });

  it("gives the outputs in the order asked, all of them when none is named, and tensors without rows", async () => {
    expect((await outputsFor(connection, addSub())).map(shown)).toEqual(SUMS);
    const version = { model: { name: "add_sub", select: { by: "version", version: "1" } } } as const;
    const turned = await inferOnce(connection, addSub({ ...only("OUTPUT1", "OUTPUT0"), ...version }));
    expect(turned.outputs.map(({ name }) => name)).toEqual(["OUTPUT1", "OUTPUT0"]);
    expect(turned.model).toEqual({ name: "add_sub", version: "1" });
    const none = addSub().inputs.map((input) => ({ ...input, shape: [0, 16], data: new Uint8Array() }));
    const empty = await outputsFor(connection, { ...addSub(), inputs: none });
    expect(empty.map(({ shape, data }) => [shape, data.byteLength])).toEqual([
      [[0, 16], 0],
      [[0, 16], 0],
    ]);
  });

  describe("when asked wrongly", () => {
    const [input0] = addSub().inputs as [never];
    it.each([
      ["an unknown model", ask("nobody", addSub().inputs), ["not-found", "client", "no"]],
      ["an unknown output", addSub(only("nothing")), ["invalid-argument", "client", "no"]],
      ["a datatype that it does not know", ask("echo", [edge("BF16")]), ["unsupported", "client", "no"]],
      // whatever the model's own code throws is a 500: the cause may lie in the data
      ["an input too few", ask("add_sub", [input0]), ["bad-backend", "backend", "no"]],
      ["an input that the model refuses", faulty(-1), ["bad-backend", "backend", "no"]],
      ["a model that answers nothing", faulty(-2), ["bad-backend", "backend", "elsewhere"]],
    ] as const)("says whose fault it is: %s", async (_, request, expected) => {
      expect((await faultOf(inferOnce(connection, request))).slice(0, 3)).toEqual(expected);
    });
  });

  it("unloads a model for good: its repository loads none", async () => {
    await connection.control?.unload?.("digits_v1", NEVER);
    expect((await connection.models([], NEVER)).some(({ name }) => name === "digits_v1")).toBe(false);
    const request = ask("digits_v1", [ones("image", [1, 1, 8, 8])]);
    expect((await faultOf(inferOnce(connection, request)))[0]).toBe("not-found");
    const load = connection.control?.load?.("digits_v1", NEVER) ?? Promise.resolve();
    expect(await faultOf(load)).toEqual([
      "unavailable",
      "backend",
      "elsewhere",
      "Model with name digits_v1 is not ready.",
    ]);
  });
});

// A connection over gRPC to servers of the Open Inference Protocol: their health, their ways, their models and control.

import { describe, expect, test } from "vitest";
import { openOipGrpc } from "../../../backends/oip/grpc.ts";
import { playedGrpcDoor } from "../../support/grpc-door.ts";
import { ask, faultOf } from "../../support/kind-door.ts";
import { spell, spellTensor } from "../wire/messages.ts";
import {
  absent,
  answer,
  call,
  fails,
  golden,
  just,
  type Methods,
  method,
  open,
  read,
  serverNamed,
  signal,
  X,
} from "./oip-grpc-server.ts";

describe("health", () => {
  test.each([
    ["triton", ["list", "load", "unload", "config", "statistics"]],
    ["mlserver", ["list", "load", "unload"]],
    ["kserve", ["load", "unload"]],
    ["OpenVINO Model Server", []],
    ["nobody", []],
  ])("of %s tells its ways", async (name, can) => {
    const { server } = open(serverNamed(name), "auto");
    expect(server.control).toEqual({});
    expect(await server.health(signal)).toBe(`${name} 1.2`);
    expect(Object.keys(server.control!)).toEqual(can);
  });

  test("of a server that nobody knows by name tells them by its extensions", async () => {
    const { server } = open(serverNamed("x", "model_repository", "model_configuration"), "auto");
    await server.health(signal);
    expect(Object.keys(server.control!)).toEqual(["list", "load", "unload", "config", "statistics"]);
  });

  test("fails when the server says that it is not ready", async () => {
    const { server } = open({ ServerReady: just(new Uint8Array(0)) });
    expect(await faultOf(server.health(signal))).toEqual([
      "unavailable",
      "backend",
      "elsewhere",
      "the server says that it is not ready",
    ]);
  });

  test("finds TorchServe's service under its own name, and speaks to it with typed contents", async () => {
    const torch = { ...serverNamed("Torchserve"), ModelInfer: just(answer("y")) };
    const door = playedGrpcDoor((asked) =>
      asked.path.startsWith("/org.pytorch.serve.grpc.openinference.GRPCInferenceService/")
        ? (torch as Methods)[method(asked)]!(asked)
        : absent(),
    );
    const server = openOipGrpc(door, "auto");
    expect(await server.health(signal)).toBe("Torchserve 1.2");
    await server.infer(ask("m", [X]), call());
    const sent = read(door.asks.at(-1));
    expect(sent).toMatchObject({ contents: "typed", inputs: [{ ...X, data: X.data }] });
    expect(await server.health(signal)).toBe("Torchserve 1.2");
  });
});

describe("models", () => {
  test("are Triton's index; one that was never loaded has no version there", async () => {
    const never = spell([1, spell([1, "never"])]);
    const { server } = open({
      RepositoryIndex: just(Buffer.concat([golden("index"), never])),
      ModelInfer: just(answer("y")),
    });
    expect(await server.models([], signal)).toEqual([
      { name: "m", version: "1", state: "ready" },
      { name: "gone", version: "1", state: "unavailable", reason: "unloaded" },
      { name: "never", version: "1", state: "unavailable", reason: "not loaded" },
    ]);
  });

  test("without versions are asked for without the version that was made up", async () => {
    const index = spell(
      [1, spell([1, "echo"], [3, "State.READY"])],
      [1, spell([1, "m"], [2, "1"], [3, "State.READY"])],
    );
    const { door, server } = open({ RepositoryIndex: just(index), ModelInfer: just(answer("y")) }, "mlserver");
    expect((await server.models([], signal)).map(({ state }) => state)).toEqual(["ready", "ready"]);
    for (const name of ["echo", "m"]) {
      await server.infer({ ...ask(name, [X]), model: { name, select: { by: "version", version: "1" } } }, call());
    }
    expect(door.asks.slice(1).map((sent) => read(sent).model)).toEqual([{ name: "echo" }, { name: "m", version: "1" }]);
  });

  test("of a server without an index are asked about one by one", async () => {
    const { server } = open(
      {
        ModelMetadata: ({ message }) => {
          const name = Buffer.from(message).toString("latin1");
          if (name.includes("nope")) return fails(5, "Model with name nope does not exist.")();
          if (name.includes("odd")) return just(spell([4, spellTensor("x", "COMPLEX64")]))();
          return just(spell([1, "m"], [2, "1"], [2, "2"]))();
        },
        ModelReady: ({ message }) => just(spell([1, message.at(-1) === 0x31 ? 1 : 0]))(),
      },
      "plain",
    );
    expect(await server.models(["m", "nope", "odd"], signal)).toEqual([
      { name: "m", version: "1", state: "ready" },
      { name: "m", version: "2", state: "unavailable" },
      {
        name: "odd",
        version: "1",
        state: "unavailable",
        reason: 'the backend\'s answer: expected a datatype for input "x", got "COMPLEX64"',
      },
    ]);
    const gone = open({ ModelMetadata: fails(4, "late") }, "plain");
    await expect(gone.server.models(["m"], signal)).rejects.toThrow("status 4");
  });

  test("have the signature that metadata and Triton's config tell", async () => {
    const { server } = open({
      ModelMetadata: just(golden("model metadata")),
      ModelConfig: just(golden("model config")),
    });
    expect(await server.metadata({ name: "digits" }, signal)).toEqual({
      name: "digits",
      version: "3",
      versions: ["1", "3"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4], optional: true }],
      outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
      batchDim: 0,
      stateful: true,
      decoupled: true,
    });
    const silent = open({ ModelMetadata: just(spell([1, "m"])) }, "plain");
    expect((await faultOf(silent.server.metadata({ name: "m" }, signal)))[0]).toBe("unsupported");
  });
});

describe("control", () => {
  test("numbers the requests to load as Triton and KServe do", async () => {
    for (const [dialect, bytes] of [
      ["triton", "12016d"],
      ["kserve", "0a016d"],
    ] as const) {
      const { door, server } = open(
        { RepositoryModelLoad: just(new Uint8Array(0)), RepositoryModelUnload: just(new Uint8Array(0)) },
        dialect,
      );
      await server.control!.load!("m", signal);
      await server.control!.unload!("m", signal);
      expect(door.asks.map(({ message }) => Buffer.from(message).toString("hex"))).toEqual([bytes, bytes]);
    }
  });

  test("tells Triton's config and statistics as its JSON has them", async () => {
    const { server } = open({ ModelConfig: just(golden("model config")), ModelStatistics: just(golden("statistics")) });
    expect(await server.control!.config!({ name: "seq" }, signal)).toMatchObject({
      max_batch_size: 8,
      input: [{ dims: [-1, 4] }],
    });
    expect(JSON.stringify(await server.control!.statistics!({ name: "m" }, signal))).toContain(
      '"last_inference":1700000000000',
    );
  });
});

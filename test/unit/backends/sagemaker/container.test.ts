// Answers have the shapes of botocore's sagemaker-runtime model and of the containers' sources (multi-model-server, TF Serving's).

import { describe, expect, it } from "vitest";
import { sagemaker, sagemakerServer } from "../../../../backends/sagemaker.ts";
import type { InferRequest } from "../../../../core/request.ts";
import {
  ask,
  connectKind,
  faultOf,
  faultsOf,
  kindDoor,
  numbers,
  type Play,
  someCall,
} from "../../../support/kind-door.ts";

const tested = { kind: sagemaker, server: sagemakerServer };
const signal = new AbortController().signal;
const x = numbers("x", "FP32", [2, 2], [1, 2.5, 3, 4]);
const variables = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK", AWS_REGION: "eu-central-1" };

function runtime(play: Play, words: object = {}, told: Parameters<typeof kindDoor>[1] = { variables }) {
  const door = kindDoor(play, told);
  const connection = connectKind(tested, words, door);
  const infer = (model: string, inputs = [x], more: Partial<InferRequest> = {}) =>
    connection.infer(ask(model, inputs, more), someCall());
  return { door, connection, infer };
}

describe("a SageMaker container", () => {
  it("is asked at /invocations, and for its health at /ping, unsigned", async () => {
    const { door, connection, infer } = runtime(() => ({ body: "[0.5, 1]" }), { mode: "container" }, {});
    expect(await connection.health(signal)).toBe("sagemaker container");
    await infer("m");
    expect(door.asks.map(({ method, path }) => [method, path])).toEqual([
      ["GET", "/ping"],
      ["POST", "/invocations"],
    ]);
    expect(door.asks[1]?.headers).not.toHaveProperty("authorization");
    const down = runtime(() => ({ status: 500 }), { mode: "container" });
    expect((await faultOf(down.connection.health(signal)))[0]).toBe("unavailable");
  });

  const several = { mode: "container", multiModel: true, models: { b: { url: "/opt/b" } } };

  it("with several models lists them page by page, in either dialect", async () => {
    const pages = runtime(
      ({ path }) => ({
        body:
          path === "/models"
            ? '{"nextPageToken": "2 ", "models": [{"modelName": "a", "modelUrl": "u"}]}'
            : '{"models": [{"modelName": "b"}]}',
      }),
      several,
    );
    const list = [
      { name: "a", version: "1", state: "ready" },
      { name: "b", version: "1", state: "ready" },
    ];
    expect(await pages.connection.models([], signal)).toEqual(list);
    expect(pages.door.asks.map(({ path }) => path)).toEqual(["/models", "/models?next_page_token=2%20"]);
    const bare = runtime(() => ({ body: '[{"modelName": "a"}, {"modelName": "b"}]' }), several);
    expect(await bare.connection.models([], signal)).toEqual(list);
  });

  it("whose pages never end is asked a bounded number of times", async () => {
    const { door, connection } = runtime(() => ({ body: '{"nextPageToken": 1, "models": []}' }), several);
    expect(await connection.models([], signal)).toEqual([]);
    expect(door.asks).toHaveLength(100);
  });

  it("loads, unloads and asks a model by its name", async () => {
    const { door, connection, infer } = runtime(
      ({ path, method }) => ({ status: method === "POST" && path === "/models" ? 409 : 200, body: "[1]" }),
      several,
    );
    await connection.control?.load?.("b", signal);
    await infer("a/x");
    await connection.control?.unload?.("b", signal);
    expect(door.asks.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", "/models", '{"model_name":"b","url":"/opt/b"}'],
      ["POST", "/models/a%2Fx/invoke", '{"instances":[[1.0,2.5],[3.0,4.0]]}'],
      ["DELETE", "/models/b", ""],
    ]);
    expect(door.asks[1]?.headers["x-amzn-sagemaker-target-model"]).toBe("a/x");
    expect((await faultOf(connection.control!.load!("a", signal)))[0]).toBe("unsupported");
  });

  it.each([
    [400, '{"code":400,"type":"BadRequest","message":"bad"}', "invalid-argument", "client", "no", "bad"],
    [
      404,
      '{"code":404,"type":"ModelNotFoundException","message":"Model not found: a"}',
      "not-found",
      "client",
      "no",
      "Model not found: a",
    ],
    [415, '{"error":"unsupported content type"}', "unsupported", "client", "no", "unsupported content type"],
    [
      500,
      '{"code":500,"type":"InternalServerException","message":"Prediction failed"}',
      "bad-backend",
      "backend",
      "no",
      "the backend answered with status 500",
    ],
    [503, "{}", "overloaded", "backend", "elsewhere", "the backend answered with status 503"],
    [
      507,
      '{"code":507,"type":"x","message":"y"}',
      "overloaded",
      "backend",
      "elsewhere",
      "the backend has no memory left for the model",
    ],
  ])("answers %i %s as %s of the %s, to be tried %s", async (status, body, ...expected) => {
    expect(await faultOf(runtime(() => ({ status, body }), several).infer("a"))).toEqual(expected);
  });
});

describe("SageMaker's words", () => {
  it.each([
    [{ region: "europe" }, ['region: expected a region such as eu-central-1, got "europe"']],
    [{ models: { m: { endpoint: "a_b" } } }, ["models.m.endpoint: expected letters, digits and hyphens, at most 63"]],
    [
      { models: { m: { customAttributes: "a\r\nb" } } },
      ["models.m.customAttributes: expected at most 1024 characters of ASCII"],
    ],
    [{ models: { m: { targetModel: "a\n" } } }, ["models.m.targetModel: expected printable ASCII"]],
    [{ region: "us-gov-west-1", models: { m: { format: "csv", endpoint: "a-1" } } }, []],
  ])("%j is told apart from what is wrong", (words, expected) => {
    expect(faultsOf(tested, words)).toEqual(expected);
  });
});

import { describe, expect, it } from "vitest";
import { openOipHttp } from "../../../backends/oip/http.ts";
import type { OipDialect } from "../../../backends/oip/quirks.ts";
import { ask, faultOf, kindDoor, numbers, type Play, type Played, someCall } from "../../support/kind-door.ts";

const NEVER = new AbortController().signal;
const X = numbers("x", "INT32", [1], [1]);

/** Answers by method and path; 404 as FastAPI says it for any other. */
function open(dialect: OipDialect | "auto", answers: Readonly<Record<string, Played | object>>) {
  const play: Play = ({ method, path }) => {
    const found = answers[`${method} ${path}`];
    if (found === undefined) return { status: 404, body: '{"detail":"Not Found"}' };
    return "status" in found || "body" in found ? (found as Played) : { body: JSON.stringify(found) };
  };
  const door = kindDoor(play);
  return { door, connection: openOipHttp(door, dialect) };
}

const paths = (door: ReturnType<typeof kindDoor>) => door.asks.map(({ method, path }) => `${method} ${path}`);
const list = (models: readonly { name: string; version: string; state: string; reason?: string }[]) =>
  models.map(({ name, version, state, reason }) => `${name} ${version} ${state}${reason ? `: ${reason}` : ""}`);

const EMPTY = { body: "" };
const OK = { status: 200, body: "" };
const restricted = { status: 403, body: '{"error":"This API is restricted, expecting header \'X\'"}' };

describe("which models there are", () => {
  // as the real Triton 2.51 answered, a model that was never loaded included
  const INDEX = [
    {
      name: "broken",
      version: "1",
      state: "UNAVAILABLE",
      reason: "Internal: E: x\n\nAt:\n  /srv/m.py(6): initialize\n",
    },
    { name: "digits", version: "1", state: "READY" },
    { name: "digits", version: "2", state: "LOADING" },
    { name: "gone", version: "1", state: "UNAVAILABLE", reason: "unloaded" },
    { name: "never" },
  ];

  it("is Triton's index, its reasons without stacks", async () => {
    const { door, connection } = open("triton", { "POST /v2/repository/index": { body: JSON.stringify(INDEX) } });
    expect(list(await connection.models(["other"], NEVER))).toEqual([
      "broken 1 unavailable: Internal: E: x",
      "digits 1 ready",
      "digits 2 loading",
      "gone 1 unavailable: unloaded",
      "never 1 unavailable: not loaded",
    ]);
    expect(door.asks[0]).toMatchObject({ body: "{}", headers: { "content-type": "application/json" } });
  });

  it("is asked one by one where the index is kept to some", async () => {
    const { door, connection } = open("triton", {
      "POST /v2/repository/index": restricted,
      "GET /v2/models/a": { name: "a", versions: ["2", "1"], platform: "", inputs: [], outputs: [] },
      "GET /v2/models/a/versions/1/ready": { status: 400, body: '{"error":"Model version not ready"}' },
      "GET /v2/models/a/versions/2/ready": OK,
    });
    expect(list(await connection.models(["a", "nobody"], NEVER))).toEqual(["a 2 ready", "a 1 unavailable"]);
    expect(paths(door).sort()).toEqual([
      "GET /v2/models/a",
      "GET /v2/models/a/versions/1/ready",
      "GET /v2/models/a/versions/2/ready",
      "GET /v2/models/nobody",
      "POST /v2/repository/index",
    ]);
  });

  it("is KServe's names and those wanted, each asked whether it is ready", async () => {
    const { connection } = open("kserve", {
      "GET /v2/models": { models: ["a"] },
      "GET /v2/models/a": { name: "a", versions: null, platform: "", inputs: [], outputs: [] },
      "GET /v2/models/a/ready": { name: "a", ready: true },
      "GET /v2/models/slow": { name: "slow", versions: null, platform: "", inputs: [], outputs: [] },
      "GET /v2/models/slow/ready": { status: 503, body: '{"error":"Model with name slow is not ready."}' },
    });
    expect(list(await connection.models(["a", "slow"], NEVER))).toEqual(["a 1 ready", "slow 1 unavailable"]);
  });

  it("is what somebody wants, of TorchServe, which tells nothing", async () => {
    const { door, connection } = open("torchserve", {});
    expect(list(await connection.models(["a"], NEVER))).toEqual(["a 1 ready"]);
    expect((await faultOf(connection.metadata({ name: "a" }, NEVER)))[0]).toBe("unsupported");
    expect(door.asks).toEqual([]);
  });

  it("is unknown when the server fails: nothing is said to be gone", async () => {
    const index = open("triton", { "POST /v2/repository/index": { status: 500, body: "" } });
    expect((await faultOf(index.connection.models([], NEVER)))[0]).toBe("bad-backend");
    const each = open("plain", { "GET /v2/models/a": { status: 502, body: "" } });
    expect((await faultOf(each.connection.models(["a"], NEVER)))[0]).toBe("unavailable");
    const odd = open("triton", { "POST /v2/repository/index": { body: '{"models":[]}' } });
    expect((await faultOf(odd.connection.models([], NEVER)))[3]).toBe(
      'the backend\'s answer: expected an array of models, got {"models":[]}',
    );
  });

  it("decides whether a version goes on the wire", async () => {
    const infer = { body: '{"model_name":"m","outputs":[{"name":"y","datatype":"BOOL","shape":[1],"data":[true]}]}' };
    const answers: Record<string, Played> = {
      "POST /v2/repository/index": {
        body: '[{"name":"m","state":"READY"},{"name":"n","version":"1","state":"READY"}]',
      },
      "POST /v2/models/m/infer": infer,
      "POST /v2/models/n/versions/1/infer": infer,
    };
    const { connection } = open("mlserver", answers);
    const version1 = (name: string) => ask(name, [X], { model: { name, select: { by: "version", version: "1" } } });
    expect((await faultOf(connection.infer(version1("m"), someCall())))[0]).toBe("not-found");
    await connection.models([], NEVER);
    expect(await connection.infer(version1("m"), someCall())).toMatchObject({ model: { name: "m", version: "1" } });
    expect(await connection.infer(version1("n"), someCall())).toMatchObject({ model: { name: "n", version: "1" } });
    // it has got versions since
    answers["POST /v2/repository/index"] = { body: '[{"name":"m","version":"1","state":"READY"}]' };
    answers["POST /v2/models/m/versions/1/infer"] = infer;
    delete answers["POST /v2/models/m/infer"];
    await connection.models([], NEVER);
    expect(await connection.infer(version1("m"), someCall())).toMatchObject({ model: { name: "m", version: "1" } });
  });
});

describe("a signature", () => {
  const METADATA = {
    name: "m",
    versions: ["1", "10", "9"],
    platform: "python",
    inputs: [
      { name: "a", datatype: "FP32", shape: [-1, 4] },
      { name: "b", datatype: "BYTES", shape: [-1, 1] },
    ],
    outputs: [{ name: "y", datatype: "BF16", shape: [-1, 2] }],
  };

  it("of Triton has what its config says: rows, state, streams, optional inputs", async () => {
    const config = {
      max_batch_size: 8,
      input: [{ name: "a" }, { name: "b", optional: true }],
      sequence_batching: { max_sequence_idle_microseconds: 5 },
      model_transaction_policy: { decoupled: true },
    };
    const { connection } = open("triton", { "GET /v2/models/m": METADATA, "GET /v2/models/m/config": config });
    expect(await connection.metadata({ name: "m" }, NEVER)).toEqual({
      name: "m",
      version: "10",
      versions: ["1", "9", "10"],
      platform: "python",
      inputs: [METADATA.inputs[0], { ...METADATA.inputs[1], optional: true }],
      outputs: METADATA.outputs,
      batchDim: 0,
      stateful: true,
      decoupled: true,
    });
  });

  it("has no rows where its config has no batches, and is guessed at where the config is kept to some", async () => {
    const none = open("triton", {
      "GET /v2/models/m/versions/9": METADATA,
      "GET /v2/models/m/versions/9/config": { max_batch_size: 0 },
    });
    const told = await none.connection.metadata({ name: "m", version: "9" }, NEVER);
    expect([told.version, told.batchDim, told.stateful, told.decoupled]).toEqual(["9", undefined, false, undefined]);
    const kept = open("triton", { "GET /v2/models/m": METADATA, "GET /v2/models/m/config": restricted });
    expect((await kept.connection.metadata({ name: "m" }, NEVER)).batchDim).toBe(0);
    const fixed = { ...METADATA, outputs: [{ name: "y", datatype: "FP32", shape: [2] }] };
    for (const told of [{ ...METADATA, inputs: [] }, fixed]) {
      const { connection } = open("kserve", { "GET /v2/models/m": told });
      expect((await connection.metadata({ name: "m" }, NEVER)).batchDim).toBeUndefined();
    }
  });

  it("that cannot be read is the backend's fault", async () => {
    const { connection } = open("triton", { "GET /v2/models/m": METADATA, "GET /v2/models/m/config": { body: "[]" } });
    expect((await faultOf(connection.metadata({ name: "m" }, NEVER)))[0]).toBe("bad-backend");
  });
});

describe("what a server is", () => {
  const server = (name: string, extensions: readonly string[] = []) => ({
    "GET /v2/health/ready": EMPTY,
    "GET /v2": { name, version: "9", extensions },
  });

  it.each([
    ["triton", ["config", "list", "load", "statistics", "unload"]],
    ["mlserver", ["list", "load", "unload"]],
    ["kserve", ["list", "load", "unload"]],
    ["OpenVINO Model Server", []],
    ["someone", []],
  ])("%s can do, once it has said its name", async (name, can) => {
    const { connection } = open("auto", server(name));
    expect(Object.keys(connection.control ?? {})).toEqual([]);
    expect(await connection.health(NEVER)).toBe(`${name} 9`);
    expect(Object.keys(connection.control ?? {}).sort()).toEqual(can);
  });

  it("follows from its extensions where nobody knows its name, and may change", async () => {
    const answers: Record<string, object> = server("someone", ["binary_tensor_data", "model_repository"]);
    const { door, connection } = open("auto", answers);
    const sentType = async () => {
      await connection.health(NEVER);
      await connection.infer(ask("m", [X]), someCall()).catch(() => {});
      return door.asks.at(-1)?.headers["content-type"];
    };
    expect(await sentType()).toBe("application/octet-stream");
    expect(Object.keys(connection.control ?? {}).sort()).toEqual(["list", "load", "unload"]);
    answers["GET /v2"] = { name: "someone", version: "10", extensions: [] };
    expect(await sentType()).toBe("application/json");
  });

  it("is TorchServe where only its ping answers, and is not asked for it again", async () => {
    const { door, connection } = open("auto", { "GET /ping": { body: '{"status": "Healthy"}' } });
    expect(await connection.health(NEVER)).toBe("torchserve");
    expect(await connection.health(NEVER)).toBe("torchserve");
    expect(paths(door)).toEqual(["GET /v2/health/ready", "GET /ping", "GET /ping"]);
  });

  it("is no server of the protocol where neither answers", async () => {
    const { connection } = open("auto", {});
    expect(await faultOf(connection.health(NEVER))).toEqual([
      "unavailable",
      "backend",
      "elsewhere",
      "expected status 200 of /ping, got 404",
    ]);
    const odd = open("auto", { "GET /v2/health/ready": EMPTY, "GET /v2": { body: "<html>" } });
    expect((await faultOf(odd.connection.health(NEVER)))[0]).toBe("bad-backend");
  });

  it("is kept to a dialect that the config names", async () => {
    const { connection } = open("plain", server("triton"));
    expect(await connection.health(NEVER)).toBe("triton 9");
    expect(connection.control).toEqual({});
  });
});

describe("an operator", () => {
  it("loads, unloads, and reads configs and statistics", async () => {
    const { door, connection } = open("triton", {
      "POST /v2/repository/models/m/load": OK,
      "POST /v2/repository/models/m/unload": OK,
      "GET /v2/models/m/versions/2/config": { max_batch_size: 3 },
      "GET /v2/models/m/stats": { model_stats: [] },
    });
    const { control = {} } = connection;
    await control.load?.("m", NEVER);
    await control.unload?.("m", NEVER);
    expect(await control.config?.({ name: "m", version: "2" }, NEVER)).toEqual({ max_batch_size: 3 });
    expect(await control.statistics?.({ name: "m" }, NEVER)).toEqual({ model_stats: [] });
    expect((await faultOf(control.load?.("n", NEVER) ?? Promise.resolve()))[0]).toBe("not-found");
    expect(door.asks.slice(0, 2).map(({ body }) => body)).toEqual(["{}", "{}"]);
  });
});

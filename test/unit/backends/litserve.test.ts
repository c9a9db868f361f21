// Answers are those of LitServe 0.2.19, as it was run.

import { describe, expect, it } from "vitest";
import { litserve, litserveServer } from "../../../backends/litserve.ts";
import {
  ask,
  connectKind,
  faultOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  partsOf,
  someCall,
  texts,
} from "../../support/kind-door.ts";

const tested = { kind: litserve, server: litserveServer };
const signal = new AbortController().signal;
const x = numbers("x", "FP32", [1, 2], [1, 2.5]);

const INFO =
  '{"model":null,"server":{"devices":["cpu"],"workers_per_device":1,"timeout":2,"stream":{"/predict":false,"/lines":true,"/raw/x":false},"max_payload_size":1000000,"track_requests":false}}';

/** A server with its /health and /info; `play` answers the rest. */
const server =
  (play: Play, health: ReturnType<Play> = { headers: {}, body: "ok" }): Play =>
  (asked) => {
    if (asked.path === "/health") return health;
    return asked.path === "/info" ? { body: INFO } : play(asked);
  };

describe("LitServe", () => {
  it("tells its paths as models, and a change of them as another server", async () => {
    const connection = connectKind(tested, {}, kindDoor(server(() => ({}))));
    expect(await connection.health(signal)).toBe("litserve predict lines* raw/x");
    expect(await connection.models(["other"], signal)).toEqual(
      ["predict", "lines", "raw/x"].map((name) => ({ name, version: "1", state: "ready" })),
    );
    expect((await faultOf(connection.metadata({ name: "predict" }, signal)))[0]).toBe("unsupported");
  });

  it("whose info says nothing has the models that somebody names", async () => {
    const connection = connectKind(
      tested,
      {},
      kindDoor(({ path }) => (path === "/health" ? {} : { status: 404 })),
    );
    expect(await connection.models(["a"], signal)).toEqual([{ name: "a", version: "1", state: "ready" }]);
  });

  it.each([
    [503, "not ready", "unavailable"],
    [401, '{"detail":"Not authenticated"}', "bad-backend"],
  ])("that answers its health with %i is not ready", async (status, body, code) => {
    const connection = connectKind(tested, {}, kindDoor(server(() => ({}), { status, body })));
    expect((await faultOf(connection.health(signal)))[0]).toBe(code);
  });

  it("gets its key with every question", async () => {
    const door = kindDoor(server(() => ({ body: '{"output":6}' })));
    const connection = connectKind(tested, { apiKey: "k" }, door);
    await connection.health(signal);
    await connection.infer(ask("predict", [x]), someCall());
    expect(door.asks.map(({ path, headers }) => [path, headers["x-api-key"]])).toEqual([
      ["/health", "k"],
      ["/info", "k"],
      ["/predict", "k"],
    ]);
  });

  it("gets columns and gives them, 64-bit integers exact", async () => {
    const door = kindDoor(server(() => ({ body: '{"y":[[1,2.0],[3,4]],"n":9223372036854775807,"kind":"list"}' })));
    const connection = connectKind(tested, {}, door);
    const inputs = [x, texts("t", [], ["a"])];
    const outputs = outputsOf(await connection.infer(ask("raw/x", inputs), someCall()));
    expect(door.asks[0]).toMatchObject({ method: "POST", path: "/raw/x", body: '{"x":[[1.0,2.5]],"t":"a"}' });
    expect(outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["y", "FP32", [2, 2]],
      ["n", "INT64", []],
      ["kind", "BYTES", []],
    ]);
    expect(Buffer.from(outputs[1]!.data).readBigInt64LE()).toBe(2n ** 63n - 1n);
  });

  it("gets an opaque payload as it is, and gives one back", async () => {
    const png = { ...texts("image", [1], ["png"]), parameters: new Map([["content_type", "image/png"]]) };
    const door = kindDoor(server(() => ({ headers: { "content-type": "text/csv" }, body: "1,2" })));
    const reply = await connectKind(tested, {}, door).infer(ask("predict", [png]), someCall());
    expect(door.asks[0]).toMatchObject({ body: "png", headers: { "content-type": "image/png" } });
    expect(outputsOf(reply)).toMatchObject([
      { name: "output", shape: [1], parameters: new Map([["content_type", "text/csv"]]) },
    ]);
  });

  it("streams a JSON value a line, however its pieces are cut", async () => {
    const body = ['{"i": 0}\n{"i"', ': 1}\n{"i": 2}\n', '{"i": 3}'];
    const connection = connectKind(tested, {}, kindDoor(server(() => ({ headers: {}, body }))));
    await connection.health(signal);
    const parts = await partsOf(await connection.infer(ask("lines", [x], { stream: true }), someCall()));
    expect(
      parts.map(({ outputs }) => [outputs[0]?.name, Number(Buffer.from(outputs[0]!.data).readBigInt64LE())]),
    ).toEqual([
      ["i", 0],
      ["i", 1],
      ["i", 2],
      ["i", 3],
    ]);
  });

  it("streams pieces as they come where the config says so", async () => {
    const play = server(() => ({ headers: {}, body: ["hel", "lo"] }));
    const connection = connectKind(tested, { models: { lines: { parts: "chunks" } } }, kindDoor(play));
    await connection.health(signal);
    const parts = await partsOf(await connection.infer(ask("lines", [x]), someCall()));
    expect(parts.map(({ outputs }) => Buffer.from(outputs[0]!.data).toString("latin1", 4))).toEqual(["hel", "lo"]);
  });

  it.each([
    [400, '{"detail":"said 400"}', "invalid-argument", "client", "no", "said 400"],
    [
      401,
      '{"detail":"Not authenticated"}',
      "bad-backend",
      "backend",
      "elsewhere",
      expect.stringContaining("credentials"),
    ],
    [404, '{"detail":"Not Found"}', "not-found", "client", "no", "Not Found"],
    [405, '{"detail":"Method Not Allowed"}', "bad-backend", "backend", "no", "the backend answered with status 405"],
    [413, '{"detail":"Payload too large"}', "too-large", "client", "no", "Payload too large"],
    [422, '{"detail":"said 422"}', "invalid-argument", "client", "no", "said 422"],
    [429, '{"detail":"said 429"}', "overloaded", "backend", "later", "the backend answered with status 429"],
    [
      500,
      '{"detail":"Internal server error"}',
      "bad-backend",
      "backend",
      "no",
      expect.stringContaining("may lie in the data"),
    ],
    [500, "Internal Server Error", "bad-backend", "backend", "no", expect.stringContaining("may lie in the data")],
    [
      504,
      '{"detail":"Request timed out"}',
      "overloaded",
      "backend",
      "elsewhere",
      "the request timed out in the backend's queue",
    ],
  ])("its %i %s is %s of the %s, to be tried %s, streams or not", async (status, body, ...expected) => {
    const connection = connectKind(tested, {}, kindDoor(server(() => ({ status, body }))));
    expect(await faultOf(connection.infer(ask("predict", [x]), someCall()))).toEqual(expected);
    await connection.health(signal);
    expect(await faultOf(connection.infer(ask("lines", [x]), someCall()))).toEqual(expected);
  });
});

// Answers and `schema.json` are those of BentoML 1.4.39, as it was run.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bentoml, bentomlServer } from "../../../../backends/bentoml.ts";
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
} from "../../../support/kind-door.ts";

const tested = { kind: bentoml, server: bentomlServer };
const signal = new AbortController().signal;
const SCHEMA = readFileSync(new URL("schema.json", import.meta.url), "utf8");
const x = numbers("x", "FP32", [1, 3], [1, 2, 3.5]);

const server =
  (play: Play, ready: ReturnType<Play> = { headers: {}, body: "\n" }, schema = SCHEMA): Play =>
  (asked) => {
    if (asked.path === "/readyz") return ready;
    return asked.path === "/schema.json" ? { body: schema } : play(asked);
  };

async function connected(play: Play, words: object = {}) {
  const door = kindDoor(server(play));
  const connection = connectKind(tested, words, door);
  await connection.health(signal);
  const infer = (model: string, inputs: Parameters<typeof ask>[1]) => connection.infer(ask(model, inputs), someCall());
  return { door, connection, infer, last: () => door.asks.at(-1)! };
}

describe("BentoML's schema", () => {
  it("tells the APIs as models, without tasks", async () => {
    const { connection } = await connected(() => ({}));
    const names = (await connection.models([], signal)).map(({ name }) => name);
    expect(names).toEqual([
      "any",
      "file",
      "ints",
      "model",
      "predict",
      "root",
      "routed",
      "rows",
      "size",
      "stream",
      "text",
      "tup",
    ]);
  });

  it.each([
    [
      "predict",
      {
        inputs: [
          { name: "x", datatype: "FP32", shape: [-1, 3] },
          { name: "k", datatype: "INT64", shape: [], optional: true },
        ],
        outputs: [{ name: "output", datatype: "FP32", shape: [-1, 3] }],
        versions: ["1"],
        platform: "bentoml",
      },
    ],
    ["rows", { batchDim: 0, outputs: [{ name: "output", datatype: "FP32", shape: [-1] }] }],
    [
      "text",
      {
        inputs: [{ name: "s", datatype: "BYTES", shape: [] }],
        outputs: [{ name: "output", datatype: "BYTES", shape: [] }],
      },
    ],
    [
      "size",
      {
        inputs: [
          { name: "f", datatype: "BYTES", shape: [1] },
          { name: "x", datatype: "INT64", shape: [], optional: true },
        ],
      },
    ],
    ["stream", { decoupled: true }],
  ])("tells the signature of %s", async (name, expected) => {
    const { connection } = await connected(() => ({}));
    expect(await connection.metadata({ name }, signal)).toMatchObject(expected);
  });

  it.each([
    ["any", "unsupported"],
    ["ints", "unsupported"],
    ["tup", "unsupported"],
    ["work", "not-found"],
    ["nope", "not-found"],
  ])("cannot tell that of %s: %s", async (name, code) => {
    const { connection } = await connected(() => ({}));
    expect((await faultOf(connection.metadata({ name }, signal)))[0]).toBe(code);
  });

  it("that changes is another server", async () => {
    let schema = SCHEMA;
    const door = kindDoor((asked) => server(() => ({}), undefined, schema)(asked));
    const connection = connectKind(tested, {}, door);
    const before = await connection.health(signal);
    expect(before).toMatch(/^bentoml Echo [0-9a-f]{12}$/);
    expect(await connection.health(signal)).toBe(before);
    schema = SCHEMA.replace("float32", "float64");
    expect(await connection.health(signal)).not.toBe(before);
  });

  it("is not asked for while the service is not ready", async () => {
    const door = kindDoor(server(() => ({}), { status: 503, body: "\n" }));
    expect((await faultOf(connectKind(tested, {}, door).health(signal)))[0]).toBe("unavailable");
    expect(door.asks.map(({ path }) => path)).toEqual(["/readyz"]);
  });
});

describe("BentoML's APIs", () => {
  it("get arguments by name, and a bare array back in its datatype", async () => {
    const { infer, last } = await connected(() => ({ body: "[[2.0, 4.0, 7.0]]" }));
    const outputs = outputsOf(await infer("predict", [x, numbers("k", "INT64", [], [2])]));
    expect(last()).toMatchObject({ path: "/predict", body: '{"x":[[1.0,2.0,3.5]],"k":2}' });
    expect(outputs).toMatchObject([{ name: "output", datatype: "FP32", shape: [1, 3] }]);
  });

  it("are found at their route, and get a bare value where they take one", async () => {
    const { infer, last } = await connected(({ path }) => ({ body: path === "/root" ? "[1.0, 2.0]" : "3" }));
    await infer("routed", [numbers("x", "INT64", [], [3])]);
    expect(last().path).toBe("/deep/route");
    expect(outputsOf(await infer("root", [numbers("input", "INT64", [2], [1, 2])]))).toMatchObject([
      { datatype: "FP64" },
    ]);
    expect(last().body).toBe("[1,2]");
  });

  it("give 64-bit integers exactly where only the datatype is told", async () => {
    const { infer } = await connected(() => ({ body: "[9223372036854775807]" }));
    const [y] = outputsOf(await infer("ints", [x]));
    expect([y!.datatype, y!.shape, Buffer.from(y!.data).readBigInt64LE()]).toEqual(["INT64", [1], 2n ** 63n - 1n]);
  });

  it("give members as outputs", async () => {
    const { infer } = await connected(() => ({ body: '{"score":3.0,"label":"cat"}' }));
    expect(outputsOf(await infer("model", [x]))).toMatchObject([
      { name: "score", datatype: "FP64", shape: [] },
      { name: "label", datatype: "BYTES", shape: [] },
    ]);
  });

  it("give text and files, and get files as parts of a form", async () => {
    const file = {
      ...texts("f", [1], ["hi\n"]),
      parameters: new Map([
        ["content_type", "text/plain"],
        ["filename", "a.txt"],
      ]),
    };
    const { infer, last } = await connected(({ path }) =>
      path === "/text"
        ? { headers: { "content-type": "text/plain; charset=utf-8" }, body: "héllo" }
        : { headers: { "content-type": "image/png" }, body: "png" },
    );
    const [text] = outputsOf(await infer("text", [texts("s", [], ["héllo"])]));
    expect([text!.shape, Buffer.from(text!.data).toString("utf8", 4)]).toEqual([[], "héllo"]);
    const [png] = outputsOf(await infer("file", [file, numbers("x", "INT64", [], [3])]));
    expect([png!.shape, png!.parameters?.get("content_type")]).toEqual([[1], "image/png"]);
    expect(last().headers["content-type"]).toMatch(/^multipart\/form-data; boundary=[a-zA-Z0-9]{32}$/);
    expect(last().body).toContain('name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhi\n\r\n');
    expect(last().body).toContain('name="x"\r\n\r\n3\r\n');
  });

  it("whose NaN came out as null are refused rather than guessed", async () => {
    const { infer } = await connected(() => ({ body: "[[null, 4.0, 6.0]]" }));
    expect((await faultOf(infer("predict", [x]))).slice(0, 2)).toEqual(["bad-backend", "backend"]);
  });

  it("stream pieces as they come, or lines", async () => {
    const played = { headers: { "content-type": "text/event-stream; charset=utf-8" }, body: ["1\n", "2\n3"] };
    const { infer } = await connected(() => played);
    const pieces = await partsOf(await infer("stream", [x]));
    expect(pieces.map(({ outputs }) => Buffer.from(outputs[0]!.data).toString("latin1", 4))).toEqual(["1\n", "2\n3"]);
    const lines = await connected(() => played, { models: { stream: { parts: "lines" } } });
    expect(await partsOf(await lines.infer("stream", [x]))).toHaveLength(3);
  });

  it.each([
    [400, '[{"error":"bad thing"}]', "invalid-argument", "client", "no", "bad thing"],
    [
      400,
      '{"error":"1 validation error for Input","detail":[{"type":"missing","loc":["x"],"msg":"Field required","url":"https://errors.pydantic.dev/2.14/v/missing"}]}',
      "invalid-argument",
      "client",
      "no",
      "1 validation error for Input: x: Field required",
    ],
    [
      401,
      '{"error":"Authorization error"}',
      "bad-backend",
      "backend",
      "elsewhere",
      "the backend refused the gateway's credentials (status 401)",
    ],
    [404, "Not Found", "not-found", "client", "no", "Not Found"],
    [404, '[{"error":"no thing"}]', "not-found", "client", "no", "no thing"],
    [405, "Method Not Allowed", "bad-backend", "backend", "no", "the backend answered with status 405"],
    [415, '{"error":"Unsupported media type"}', "unsupported", "client", "no", "Unsupported media type"],
    [429, '{"error":"Too many requests"}', "overloaded", "backend", "later", "the backend answered with status 429"],
    [
      500,
      '{"error":"An unexpected error has occurred, please check the server log."}',
      "bad-backend",
      "backend",
      "no",
      "the backend answered with status 500",
    ],
    [
      503,
      '{"error":"An unexpected error has occurred, please check the server log."}',
      "overloaded",
      "backend",
      "elsewhere",
      "the backend answered with status 503",
    ],
    [
      504,
      '{"error":"Not able to process the request in 3 seconds"}',
      "deadline-exceeded",
      "backend",
      "no",
      "the backend answered with status 504",
    ],
  ])("answer %i %s as %s of the %s, to be tried %s, streams or not", async (status, body, ...expected) => {
    const { infer } = await connected(() => ({ status, body }));
    expect(await faultOf(infer("predict", [x]))).toEqual(expected);
    expect(await faultOf(infer("stream", [x]))).toEqual(expected);
  });
});

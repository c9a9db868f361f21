import { describe, expect, it } from "vitest";
import { http, httpServer } from "../../../../backends/http.ts";
import type { Signature } from "../../../../core/model.ts";
import {
  ask,
  connectKind,
  faultOf,
  faultsOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  someCall,
  texts,
} from "../../../support/kind-door.ts";

const tested = { kind: http, server: httpServer };
const x = numbers("x", "FP32", [2, 2], [1, 2.5, -0, 4]);

function infer(
  words: object,
  play: Play,
  more: { signature?: Signature; inputs?: Parameters<typeof ask>[1]; model?: string } = {},
) {
  const door = kindDoor(play, more.signature === undefined ? {} : { signature: more.signature });
  const connection = connectKind(tested, words, door);
  const reply = connection.infer(ask(more.model ?? "score", more.inputs ?? [x]), someCall());
  return { door, reply };
}

const scores = (...outputs: Signature["outputs"]): Signature => ({ inputs: [], outputs });

describe("a service without any words", () => {
  it("gets every input under its name and its members are the outputs", async () => {
    const { door, reply } = infer({}, () => ({ body: '{"y": [[1.5], [2]], "label": ["a", "b"]}' }));
    const outputs = outputsOf(await reply);
    expect(door.asks).toHaveLength(1);
    expect(door.asks[0]).toMatchObject({
      method: "POST",
      path: "/predict",
      body: '{"x":[[1.0,2.5],[-0.0,4.0]]}',
      headers: { "content-type": "application/json", traceparent: "00-1-2-01" },
    });
    expect(outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["y", "FP32", [2, 1]],
      ["label", "BYTES", [2]],
    ]);
  });

  it("whose answer is one bare value has the one output of the signature, or `output`", async () => {
    const bare = infer({}, () => ({ body: "[1, 2]" }));
    expect(outputsOf(await bare.reply)).toMatchObject([{ name: "output", datatype: "INT64", shape: [2] }]);
    const declared = infer({}, () => ({ body: "[1, 2]" }), {
      signature: scores({ name: "y", datatype: "FP64", shape: [-1] }),
    });
    expect(outputsOf(await declared.reply)).toMatchObject([{ name: "y", datatype: "FP64", shape: [2] }]);
  });

  it("gives those outputs that are asked for, in their order", async () => {
    const door = kindDoor(() => ({ body: '{"a": 1, "b": 2, "c": 3}' }));
    const connection = connectKind(tested, {}, door);
    const wanted = (name: string) => ({ name, parameters: new Map() });
    const reply = connection.infer(ask("m", [x], { outputs: [wanted("c"), wanted("a")] }), someCall());
    expect(outputsOf(await reply).map(({ name }) => name)).toEqual(["c", "a"]);
    const unknown = connection.infer(ask("m", [x], { outputs: [wanted("d")] }), someCall());
    expect(await faultOf(unknown)).toEqual([
      "invalid-argument",
      "client",
      "no",
      'output "d": expected one of "a", "b", "c"',
    ]);
  });
});

describe("a request template", () => {
  it("is filled in exactly, whatever it holds", async () => {
    const big = { ...numbers("id", "INT64", [1], [0]), data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n).buffer) };
    const odd = numbers("odd", "FP64", [3], [Number.NaN, Number.POSITIVE_INFINITY, 0.1]);
    const { door, reply } = infer(
      {
        models: {
          score: {
            method: "PUT",
            path: "/m/{model}/v{version}",
            send: { "X-Kind": "a" },
            request: {
              json: {
                data: ["{{x}}", "{{ x.flat }}"],
                id: "{{id.scalar}}",
                n: "{{x.rows}}",
                shape: "{{x.shape}}",
                type: "{{x.datatype}}",
                bytes: "{{id.base64}}",
                odd: "{{odd}}",
                fixed: { a: 1, b: 1.5, c: null, d: true, 'e"': 'te"xt' },
                model: "{{@model}}",
                none: "{{@parameters.none}}",
              },
            },
          },
        },
      },
      () => ({ body: "1" }),
      { inputs: [x, big, odd] },
    );
    await reply;
    expect(door.asks[0]).toMatchObject({ method: "PUT", path: "/m/score/v1", headers: { "x-kind": "a" } });
    expect(door.asks[0]?.body).toBe(
      '{"data":[[[1.0,2.5],[-0.0,4.0]],[1.0,2.5,-0.0,4.0]],"id":9223372036854775807,"n":2,"shape":[2,2],' +
        '"type":"FP32","bytes":"/////////38=","odd":[NaN,Infinity,0.1],' +
        '"fixed":{"a":1,"b":1.5,"c":null,"d":true,"e\\"":"te\\"xt"},"model":"score","none":null}',
    );
  });

  it("writes all inputs as rows or as columns", async () => {
    const inputs = [x, texts("t", [2], ["a", "b"])];
    const rows = infer({ request: { json: { instances: "{{@rows}}" } } }, () => ({ body: "1" }), { inputs });
    await rows.reply;
    expect(rows.door.asks[0]?.body).toBe('{"instances":[{"x":[1.0,2.5],"t":"a"},{"x":[-0.0,4.0],"t":"b"}]}');
    const columns = infer({ request: { json: "{{@columns}}" } }, () => ({ body: "1" }), { inputs });
    await columns.reply;
    expect(columns.door.asks[0]?.body).toBe('{"x":[[1.0,2.5],[-0.0,4.0]],"t":["a","b"]}');
  });

  it("sends an opaque payload as it is, and takes one back", async () => {
    const jpeg = { ...texts("image", [1], ["\u0001jpeg"]), parameters: new Map([["content_type", "image/jpeg"]]) };
    const { door, reply } = infer(
      { request: { raw: "image" }, response: { raw: "csv" } },
      () => ({ headers: { "content-type": "text/csv" }, body: "a,b\n" }),
      { inputs: [jpeg] },
    );
    const [csv] = outputsOf(await reply);
    expect(door.asks[0]).toMatchObject({ body: "\u0001jpeg", headers: { "content-type": "image/jpeg" } });
    expect(csv).toEqual({
      ...texts("csv", [1], ["a,b\n"]),
      parameters: new Map([["content_type", "text/csv"]]),
      data: expect.anything(),
    });
    expect(Buffer.from(csv!.data).toString("latin1")).toBe("\u0004\0\0\0a,b\n");
  });

  it("fills in a form, or a query with GET", async () => {
    const form = { request: { form: { q: "{{t.scalar}}", x: "{{x.flat}}" } } };
    const inputs = [texts("t", [1], ["a b&c"]), x];
    const posted = infer(form, () => ({ body: "1" }), { inputs });
    await posted.reply;
    expect(posted.door.asks[0]).toMatchObject({
      body: "q=a+b%26c&x=%5B1.0%2C2.5%2C-0.0%2C4.0%5D",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    const got = infer({ ...form, method: "GET" }, () => ({ body: "1" }), { inputs });
    await got.reply;
    expect(got.door.asks[0]).toMatchObject({
      method: "GET",
      path: "/predict?q=a+b%26c&x=%5B1.0%2C2.5%2C-0.0%2C4.0%5D",
      body: "",
    });
  });

  it("refuses inputs that are missing, unknown or of another size", async () => {
    const words = { request: { json: { a: "{{x.scalar}}" } } };
    const none = () => ({ body: "1" });
    expect(await faultOf(infer(words, none, { inputs: [] }).reply)).toEqual([
      "invalid-argument",
      "client",
      "no",
      'input "x": expected a tensor, got none',
    ]);
    expect(await faultOf(infer(words, none).reply)).toEqual([
      "invalid-argument",
      "client",
      "no",
      'input "x": expected one element, got shape [2,2]',
    ]);
    expect(await faultOf(infer(words, none, { inputs: [{ ...x, name: "z" }] }).reply)).toEqual([
      "invalid-argument",
      "client",
      "no",
      'input "z": expected one of "x"',
    ]);
  });

  it("escapes the model's name in its path", async () => {
    const { door, reply } = infer({ path: "/p/{model}" }, () => ({ body: "1" }), { model: "a/b c" });
    await reply;
    expect(door.asks[0]?.path).toBe("/p/a%2Fb%20c");
  });
});

describe("a status", () => {
  it.each([
    [400, "invalid-argument", "client", "no", "too small"],
    [401, "bad-backend", "backend", "elsewhere", "the backend refused the gateway's credentials (status 401)"],
    [403, "bad-backend", "backend", "elsewhere", "the backend refused the gateway's credentials (status 403)"],
    [404, "bad-backend", "backend", "no", "the backend answered with status 404"],
    [405, "bad-backend", "backend", "no", "the backend answered with status 405"],
    [413, "too-large", "client", "no", "too small"],
    [422, "invalid-argument", "client", "no", "too small"],
    [429, "overloaded", "backend", "later", "the backend answered with status 429"],
    [302, "bad-backend", "backend", "no", "the backend answered with an unexpected status 302"],
    [500, "bad-backend", "backend", "elsewhere", "the backend answered with status 500"],
    [501, "bad-backend", "backend", "no", "the backend answered with status 501"],
    [502, "unavailable", "backend", "elsewhere", "the backend answered with status 502"],
    [503, "unavailable", "backend", "elsewhere", "the backend answered with status 503"],
    [504, "deadline-exceeded", "backend", "no", "the backend answered with status 504"],
    [599, "bad-backend", "backend", "elsewhere", "the backend answered with status 599"],
  ])("%i is %s of the %s, to be tried %s", async (status, ...expected) => {
    const { reply } = infer({}, () => ({ status, body: '{"error": "too small"}' }));
    expect(await faultOf(reply)).toEqual(expected);
  });

  it("means what the config says", async () => {
    const words = { errors: { 409: "overloaded", 500: "invalid-argument" } };
    const busy = infer(words, () => ({ status: 409, body: "busy\n" }));
    expect(await faultOf(busy.reply)).toEqual([
      "overloaded",
      "backend",
      "later",
      "the backend answered with status 409",
    ]);
    const wrong = infer(words, () => ({ status: 500, body: "bad input" }));
    expect(await faultOf(wrong.reply)).toEqual(["invalid-argument", "client", "no", "bad input"]);
  });
});

describe("its readiness", () => {
  it("is any answer, or that of the path that the config names", async () => {
    const signal = AbortSignal.any([]);
    const any = kindDoor(() => ({ status: 404 }));
    expect(await connectKind(tested, {}, any).health(signal)).toBe("http");
    expect(any.asks[0]).toMatchObject({ method: "GET", path: "/" });
    const words = { ready: { path: "/health", status: 204 } };
    const door = kindDoor(() => ({ status: 204 }));
    expect(await connectKind(tested, words, door).health(signal)).toBe("http");
    expect(door.asks[0]?.path).toBe("/health");
    const down = connectKind(
      tested,
      words,
      kindDoor(() => ({ status: 503 })),
    );
    expect((await faultOf(down.health(signal))).slice(0, 3)).toEqual(["unavailable", "backend", "elsewhere"]);
  });

  it("makes every model that somebody names ready, without a signature", async () => {
    const signal = AbortSignal.any([]);
    const connection = connectKind(
      tested,
      { models: { a: {} } },
      kindDoor(() => ({})),
    );
    expect(await connection.models(["b", "a"], signal)).toEqual([
      { name: "a", version: "1", state: "ready" },
      { name: "b", version: "1", state: "ready" },
    ]);
    expect((await faultOf(connection.metadata({ name: "a" }, signal)))[0]).toBe("unsupported");
  });
});

describe("the words of the config", () => {
  it.each([
    [
      { request: { json: { a: ["{{x}} y"] } } },
      ['request.json.a.0: expected {{...}} as the whole text, got "{{x}} y"'],
    ],
    [
      { request: { json: { a: "{{@all}}" } } },
      [expect.stringContaining("request.json.a: expected one of @rows, @columns")],
    ],
    [
      { request: { json: { a: 2 ** 60 } } },
      [expect.stringContaining("request.json.a: expected a whole number of at most 2^53")],
    ],
    [
      { response: { outputs: { y: "a[" } } },
      [expect.stringContaining("response.outputs.y: expected a JMESPath expression")],
    ],
    [
      { models: { m: { response: { outputs: { y: "a b" } } } } },
      [expect.stringContaining("models.m.response.outputs.y: ")],
    ],
    [{ path: "predict" }, [expect.stringContaining("path: expected a path such as /predict/{model}")]],
    [{ path: "/p/{x}" }, [expect.stringContaining("path: expected a path such as /predict/{model}")]],
    [{ errors: { 200: "overloaded" } }, [expect.stringContaining("errors.200")]],
    [{ request: { raw: "x", json: 1 } }, ["request: expected one of json, raw and form"]],
    [{ request: { json: { a: "{{x.scalar}}", b: [1, "c"] } }, response: { outputs: { y: "p[*].s" } } }, []],
  ])("%j is told apart from what is wrong, with its place", (words, expected) => {
    expect(faultsOf(tested, words)).toEqual(expected);
  });
});

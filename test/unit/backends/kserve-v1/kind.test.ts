// The kind `kserve-v1`. Answers are those of KServe 0.21, as it was run; sources: protocols.md 5 and 16.7.

import { describe, expect, it } from "vitest";
import { kserveV1, kserveV1Server } from "../../../../backends/kserve-v1.ts";
import { opaqueTensor } from "../../../../wire/opaque.ts";
import { plain } from "../../../property/wire/bodies.ts";
import {
  ask,
  connectKind,
  faultOf,
  faultsOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  type Played,
  someCall,
} from "../../../support/kind-door.ts";

const tested = { kind: kserveV1, server: kserveV1Server };
const signal = new AbortController().signal;
const image = numbers("image", "FP32", [2, 2], [1, 2.5, 0, 3]);
const SIGNATURE = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [-1, 2] },
    { name: "digit", datatype: "INT64", shape: [-1] },
  ],
} as const;
const DIGITS = '{"predictions":[{"probabilities":[0.5,0.25],"digit":0},{"probabilities":[1.0,1e-05],"digit":1}]}';

const infer = async (answer: Played, request = ask("digits", [image]), words = {}) => {
  const door = kindDoor(() => answer, { signature: SIGNATURE });
  const reply = connectKind(tested, words, door).infer(request, someCall());
  await reply.catch(() => {});
  return { reply, asked: door.asks[0] };
};

describe("a question to a V1 server", () => {
  it("goes as rows to the model's predict, as plain application/json, which alone it takes for JSON", async () => {
    const { reply, asked } = await infer({ body: DIGITS });
    expect(asked).toMatchObject({
      method: "POST",
      path: "/v1/models/digits:predict",
      headers: { "content-type": "application/json", traceparent: "00-1-2-01" },
      body: '{"instances":[[1.0,2.5],[0.0,3.0]]}',
    });
    expect(plain(outputsOf(await reply))).toEqual(
      plain([numbers("probabilities", "FP32", [2, 2], [0.5, 0.25, 1, 1e-5]), numbers("digit", "INT64", [2], [0, 1])]),
    );
    expect(await reply).toMatchObject({ model: { name: "digits", version: "1" } });
  });

  it("writes named rows where the config says so, and encodes what a path cannot hold", async () => {
    const { asked } = await infer({ body: DIGITS }, ask("a/b c", [image]), { models: { "a/b c": { rows: "named" } } });
    expect(asked?.path).toBe("/v1/models/a%2Fb%20c:predict");
    expect(asked?.body).toBe('{"instances":[{"image":[1.0,2.5]},{"image":[0.0,3.0]}]}');
  });

  it("gives the outputs that were asked for", async () => {
    const wanted = { outputs: [{ name: "digit", parameters: new Map() }] };
    const { reply } = await infer({ body: DIGITS }, ask("digits", [image], wanted));
    expect(outputsOf(await reply).map(({ name }) => name)).toEqual(["digit"]);
  });

  it("passes a caller's own JSON and its answer as they are, and no header of the answer", async () => {
    const own = opaqueTensor("body", Buffer.from('{"text": "any"}'), {
      contentType: "application/json; charset=utf-8",
    });
    const headers = { "content-type": "application/json", "x-secret": "echoed" };
    const { reply, asked } = await infer({ body: '{"answer":  1}', headers }, ask("digits", [own]));
    expect(asked).toMatchObject({ body: '{"text": "any"}', headers: { "content-type": "application/json" } });
    const [body] = outputsOf(await reply);
    expect(plain(body)).toEqual(
      plain(opaqueTensor("body", Buffer.from('{"answer":  1}'), { contentType: "application/json" })),
    );
  });

  it("for an explanation goes to explain and gives whatever comes", async () => {
    const { reply, asked } = await infer(
      { body: '{"explanations":[[1]]}' },
      ask("digits", [image], { task: "explain" }),
    );
    expect(asked?.path).toBe("/v1/models/digits:explain");
    expect(Buffer.from(outputsOf(await reply)[0]!.data.subarray(4)).toString()).toBe('{"explanations":[[1]]}');
  });

  it("is refused without being sent: NaN, other tasks, labels", async () => {
    const odd = ask("digits", [numbers("image", "FP32", [1, 2], [Number.NaN, 1])]);
    const label = ask("digits", [image], { model: { name: "digits", select: { by: "label", label: "next" } } });
    for (const request of [odd, ask("digits", [image], { task: "classify" }), label]) {
      const { reply, asked } = await infer({ body: DIGITS }, request);
      expect((await faultOf(reply))[0]).toBe("unsupported");
      expect(asked).toBeUndefined();
    }
  });
});

describe("an answer of a V1 server", () => {
  it.each([
    [
      400,
      '{"error":"Unrecognized request format: x"}',
      ["invalid-argument", "client", "no"],
      "Unrecognized request format: x",
    ],
    [
      404,
      '{"error":"Model with name nope does not exist."}',
      ["not-found", "client", "no"],
      "Model with name nope does not exist.",
    ],
    [404, '{"detail":"Not Found"}', ["bad-backend", "backend", "no"], "it is no V1 server"],
    [405, '{"detail":"Method Not Allowed"}', ["bad-backend", "backend", "no"], "it is no V1 server"],
    [413, "", ["too-large", "client", "no"], "status 413"],
    [422, '{"detail":[{"loc":["body"],"msg":"bad"}]}', ["invalid-argument", "client", "no"], "body: bad"],
    [401, "", ["bad-backend", "backend", "elsewhere"], "credentials"],
    [403, "", ["bad-backend", "backend", "elsewhere"], "credentials"],
    [429, "", ["overloaded", "backend", "elsewhere"], "status 429"],
    [500, `{"error":"KeyError : 'instances'"}`, ["bad-backend", "backend", "no"], "KeyError : 'instances'"],
    [501, '{"error":"predict is not implemented"}', ["unsupported", "backend", "no"], "not implemented"],
    [502, "<html>", ["unavailable", "backend", "elsewhere"], "status 502"],
    [503, '{"error":"Model with name m is not ready."}', ["unavailable", "backend", "elsewhere"], "is not ready"],
    [504, "", ["deadline-exceeded", "backend", "no"], "status 504"],
    [307, "", ["bad-backend", "backend", "no"], "an unexpected status 307"],
  ] as const)("with status %i and %s is %j", async (status, body, wanted, message) => {
    const { reply } = await infer({ status, body });
    const [code, origin, retryable, said] = await faultOf(reply);
    expect([code, origin, retryable]).toEqual(wanted);
    expect(said).toContain(message);
  });

  it.each([
    ['{"error":"it failed"}', "expected predictions, got none"],
    ['{"predictions":[{"digit":0}]}', "probabilities"],
    ['{"predictions":[{"digit":0', "malformed JSON"],
    ["", "empty body"],
  ])("with status 200 and %j is the backend's fault", async (body, message) => {
    const [code, origin, , said] = await faultOf((await infer({ body })).reply);
    expect([code, origin]).toEqual(["bad-backend", "backend"]);
    expect(said).toContain(message);
  });

  it("without a declared signature has the types that its text has", async () => {
    const door = kindDoor(() => ({ body: '{"predictions":[1,2]}' }));
    const reply = await connectKind(tested, {}, door).infer(ask("m", [image]), someCall());
    expect(plain(outputsOf(reply))).toEqual(plain([numbers("output", "INT64", [2], [1, 2])]));
  });
});

describe("a V1 server", () => {
  const kserve: Play = ({ path }) => {
    if (path === "/v2")
      return { body: '{"name":"kserve","version":"0.21.0","extensions":["model_repository_extension"]}' };
    if (path === "/v1/models") return { body: '{"models":["digits","slow"]}' };
    if (path === "/v1/models/digits") return { body: '{"name":"digits","ready":true}' };
    if (path === "/v1/models/slow") return { status: 503, body: '{"error":"Model with name slow is not ready."}' };
    return { status: 404, body: '{"error":"Model with name x does not exist."}' };
  };

  it("tells what it is and which models are ready, and no signature", async () => {
    const connection = connectKind(tested, {}, kindDoor(kserve));
    expect(await connection.health(signal)).toBe("kserve 0.21.0");
    expect(await connection.models(["nobody"], signal)).toEqual([
      { name: "digits", version: "1", state: "ready" },
      { name: "slow", version: "1", state: "unavailable", reason: "Model with name slow is not ready." },
    ]);
    expect((await faultOf(connection.metadata({ name: "digits" }, signal)))[0]).toBe("unsupported");
  });

  it("without V2 and without a list is asked for the models that somebody wants", async () => {
    const door = kindDoor(({ path }) =>
      path === "/v1/models/m"
        ? { body: '{"name":"m","ready":"False"}' }
        : { status: 404, body: '{"detail":"Not Found"}' },
    );
    const connection = connectKind(tested, {}, door);
    expect(await connection.health(signal)).toBe("kserve-v1");
    expect(await connection.models(["m"], signal)).toMatchObject([{ name: "m", version: "1", state: "unavailable" }]);
  });

  it.each([
    [503, "unavailable"],
    [500, "unavailable"],
    [401, "bad-backend"],
  ])("that answers its health check with %i is %s", async (status, code) => {
    const connection = connectKind(
      tested,
      {},
      kindDoor(() => ({ status })),
    );
    expect((await faultOf(connection.health(signal)))[0]).toBe(code);
  });

  it("has a word for the form of rows, and no other", () => {
    expect(faultsOf(tested, { models: { m: { rows: "named" } } })).toEqual([]);
    expect(faultsOf(tested, { models: { m: { rows: "columns" } } })[0]).toContain("models.m.rows");
    expect(faultsOf(tested, { protocol: "http" })[0]).toContain("protocol");
  });
});

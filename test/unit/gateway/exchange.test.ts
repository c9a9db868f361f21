import { expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { Crowds, Planes, WireRequest } from "../../../core/protocol.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { type Codec, exchange } from "../../../gateway/protocols/exchange.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { requestFor, wholeReply } from "../../support/scripted.ts";

const MODEL = { name: "m", select: { by: "default" } } as const;

function codec(): Codec<undefined> {
  return {
    protocol: "test",
    model: MODEL,
    decode: async () => ({ request: requestFor("m"), hints: { sluice: NO_PARAMETERS }, form: undefined }),
    encode: async () => ({ status: 200, headers: { "content-type": "application/json" }, body: new Uint8Array() }),
    fail: () => ({ status: 500, headers: { "content-type": "text/plain" }, body: new Uint8Array() }),
  };
}

interface SetUp {
  readonly headers?: ReadonlyMap<string, string>;
  readonly crowds?: Crowds;
  readonly codec?: Codec<undefined>;
}

function setUp(fails: boolean, { headers = new Map(), crowds, codec: by = codec() }: SetUp = {}) {
  const planes = {
    crowds,
    env: fakeEnv(),
    tenant: () => undefined,
    data: {
      models: () => ["m"],
      infer: async (_request: unknown, call: { trace: { learn(facts: object): void } }) => {
        call.trace.learn({
          backend: "b",
          headers: new Map([
            ["x-model", "v2"],
            ["content-type", "text/html"],
          ]),
        });
        if (fails) throw new Error("boom");
        return wholeReply("m", "1");
      },
    },
  } as unknown as Planes;
  const wire = {
    method: "POST",
    path: "/",
    params: {},
    query: new URLSearchParams(),
    headers,
    peer: "",
    arrivedAt: 0,
    signal: new AbortController().signal,
    id: "r",
    traceparent: "t",
    body: new Uint8Array(),
  } satisfies WireRequest;
  return exchange(wire, planes, by);
}

test.each([
  ["answers", false, { "x-model": "v2", "content-type": "application/json" }],
  ["fails", true, { "x-model": "v2", "content-type": "text/plain" }],
])(
  "headers that a backend may tell the caller go along when it %s, under the protocol's own",
  async (_how, fails, headers) => {
    const reply = await setUp(fails);
    expect(reply.headers).toEqual(headers);
    expect(reply.about).toMatchObject({ backend: "b" });
    expect(reply.about).not.toHaveProperty("headers");
  },
);

test("an answer says until when it may go out, and what goes out in its place after that", async () => {
  const { late, ...reply } = await setUp(false, { headers: new Map([["x-request-timeout-ms", "75"]]) });
  expect([reply.status, late?.from]).toEqual([200, 75]);
  const instead = late?.instead();
  expect(instead).toMatchObject({
    status: 500,
    about: { code: "deadline-exceeded", error: "no answer within the deadline of 75 ms" },
  });
  expect(instead?.late).toBeUndefined();
  expect((await setUp(false)).late).toBeUndefined();
});

test("what is refused unread is not decoded, and what is read tells what became of it", async () => {
  const told: unknown[] = [];
  let refusal: InferError | undefined = new InferError("overloaded", "a crowd");
  const crowds: Crowds = { any: true, refusal: () => refusal, ended: (kind, fault) => told.push([kind, fault?.code]) };
  const decoded: string[] = [];
  const counting: Codec<undefined> = {
    ...codec(),
    decode(wire, planes) {
      decoded.push(wire.id);
      return codec().decode(wire, planes);
    },
  };
  const refused = await setUp(false, { crowds, codec: counting });
  expect(refused.about).toEqual({ model: "m", code: "overloaded", origin: "gateway", error: "a crowd" });
  expect([decoded, told]).toEqual([[], []]);
  refusal = undefined;
  await setUp(false, { crowds, codec: counting });
  await setUp(true, { crowds, codec: counting });
  const kind = { model: "m", version: "", tenant: "" };
  expect([decoded, told]).toEqual([
    ["r", "r"],
    [
      [kind, undefined],
      [kind, "internal"],
    ],
  ]);
});

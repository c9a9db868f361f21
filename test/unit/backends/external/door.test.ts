import { expect, test } from "vitest";
import type { HttpClient } from "../../../../backends/connection.ts";
import type { Clients, OpenDoor } from "../../../../backends/external/door.ts";
import { openDoor } from "../../../../backends/external/door.ts";
import type { SharedWords } from "../../../../backends/external/words.ts";
import { externalKind } from "../../../../backends/external.ts";
import type { GrpcClientOptions } from "../../../../backends/grpc-client.ts";
import type { HttpClientOptions } from "../../../../backends/http-client.ts";
import { openCall } from "../../../../core/call.ts";
import { runNow } from "../../../../wire/sliced.ts";
import { fakeClock, fakeEnv } from "../../../support/fake-env.ts";

interface Told {
  /** Headers of every answer. */
  readonly answer?: ReadonlyMap<string, string>;
  readonly address?: string;
}

function setUp(words: Readonly<Record<string, unknown>> = {}, { answer = new Map(), address }: Told = {}) {
  const env = { ...fakeEnv(), variables: { http_proxy: "http://proxy:3128" } };
  const opened: { http: HttpClientOptions[]; grpc: GrpcClientOptions[]; closed: number } = {
    http: [],
    grpc: [],
    closed: 0,
  };
  const close = async () => {
    opened.closed += 1;
  };
  const client: HttpClient = {
    ask: async () => ({ status: 200, headers: answer, body: new Uint8Array() }),
    stream: async () => ({ status: 200, headers: answer, parts: (async function* () {})() }),
    close,
  };
  const clients: Clients = {
    http(options) {
      opened.http.push(options);
      return client;
    },
    grpc(options) {
      opened.grpc.push(options);
      return { unary: async () => new Uint8Array(), exchange: () => Promise.reject(new Error()) as never, close };
    },
  };
  const kind = externalKind({ kind: "fake", words: {}, connect: () => Promise.reject(new Error()) as never });
  const door: OpenDoor = openDoor({
    backend: "b",
    endpoint: "b/a:1",
    url: new URL("http://a:1"),
    words: kind.options.parse({ endpoints: ["a:1"], ...words }) as SharedWords,
    tls: {},
    ...(address === undefined ? {} : { address }),
    env,
    run: (work) => runNow(work),
    clients,
    signature: () => Promise.reject(new Error()),
  });
  return { env, opened, door };
}

function callWith(headers: Readonly<Record<string, string>>) {
  return openCall({
    id: "c",
    traceparent: "00-trace-01",
    clock: fakeEnv().clock,
    protocol: "test",
    headers: new Map(Object.entries(headers)),
  });
}

test("clients are opened with the backend's limits, times and proxies", () => {
  const { env, opened, door } = setUp({ limits: { inFlight: 8, answer: "1MiB" }, timeouts: { headers: "7s" } });
  door.http();
  door.http({ url: new URL("http://a:2"), pipelining: 4 });
  door.grpc();
  const { variables } = env;
  const common = { env, proxy: variables, connections: 12, maxAnswerBytes: 1_048_576 };
  const timeouts = { connectMs: 2000, headersMs: 7000, bodyMs: 60_000 };
  expect(opened.http).toEqual([
    { ...common, url: new URL("http://a:1"), timeouts },
    { ...common, url: new URL("http://a:2"), timeouts, pipelining: 4 },
  ]);
  expect(opened.grpc).toEqual([
    { env, proxy: variables, url: new URL("http://a:1"), connectTimeoutMs: 2000, maxMessageBytes: 1_048_576 },
  ]);
});

test("a host that was found is connected to where it was found, its other ports too, and no other host", () => {
  const { opened, door } = setUp({}, { address: "10.0.0.1" });
  door.http();
  door.http({ url: new URL("http://a:2") });
  door.http({ url: new URL("http://elsewhere:2") });
  door.grpc();
  expect(opened.http.map(({ url, address }) => [url.host, address])).toEqual([
    ["a:1", "10.0.0.1"],
    ["a:2", "10.0.0.1"],
    ["elsewhere:2", undefined],
  ]);
  expect(opened.grpc.map(({ url, address }) => [url.host, address])).toEqual([["a:1", "10.0.0.1"]]);
});

test("every client that was opened is closed with the door", async () => {
  const { opened, door } = setUp();
  door.http();
  door.http();
  door.grpc();
  await door.close();
  await door.close();
  expect(opened.closed).toBe(3);
});

test("of the caller's headers only those that the config names go along, and the config's own win", () => {
  const { door } = setUp({
    headers: { send: { authorization: "Bearer ours", "x-both": "ours" }, pass: ["x-user", "x-both"] },
  });
  const call = callWith({ "x-user": "ann", "x-both": "theirs", authorization: "Bearer theirs", cookie: "secret" });
  expect(door.headers(call)).toEqual({
    traceparent: "00-trace-01",
    "x-user": "ann",
    "x-both": "ours",
    authorization: "Bearer ours",
  });
  expect(door.headers(undefined)).toEqual({ authorization: "Bearer ours", "x-both": "ours" });
});

test("without a word about headers nothing of the caller goes along but the trace", () => {
  expect(setUp().door.headers(callWith({ cookie: "secret" }))).toEqual({ traceparent: "00-trace-01" });
});

test("the header that the config names for it tells how many milliseconds are left", () => {
  const { door } = setUp({ headers: { deadline: "X-Request-Timeout-Ms" } });
  const clock = fakeClock();
  const call = openCall({ id: "c", traceparent: "t", clock, protocol: "test", timeoutMs: 500 });
  const left = () => door.headers(call)["x-request-timeout-ms"];
  expect(left()).toBe("500");
  clock.advance(120.5);
  expect(left()).toBe("380");
  clock.advance(400);
  // never less than one: nobody waits any longer by then
  expect(left()).toBe("1");
  expect(door.headers(callWith({}))).toEqual({ traceparent: "00-trace-01" });
});

test("of an answer's headers only those that the config names reach the caller", async () => {
  const { door } = setUp(
    { headers: { back: ["X-Model"] } },
    {
      answer: new Map([
        ["x-model", "v2"],
        ["set-cookie", "secret"],
      ]),
    },
  );
  const client = door.http();
  const [asked, streamed, untouched] = [callWith({}), callWith({}), callWith({})];
  await client.ask({ method: "GET", path: "/" }, asked);
  await client.stream({ method: "GET", path: "/" }, streamed);
  await client.ask({ method: "GET", path: "/" }, { signal: asked.signal });
  expect([asked, streamed, untouched].map((call) => call.trace.facts.headers)).toEqual([
    new Map([["x-model", "v2"]]),
    new Map([["x-model", "v2"]]),
    undefined,
  ]);
});

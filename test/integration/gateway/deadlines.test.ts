// Deadlines, cancellation and faults over real sockets, with a model that answers when the test says so.

import { afterEach, beforeEach, expect, test } from "vitest";
import { unlessAborted } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type FakeBackend, fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type Answer, until } from "../../support/http-client.ts";
import { rawSocket, requestBytes } from "../../support/raw-socket.ts";
import { type Asked, type Handle, scripted, wholeReply } from "../../support/scripted.ts";

const INFER = "/v2/models/slow/infer";
const BODY = '{"inputs":[]}';

let fake: FakeBackend;
let handle: Handle;
let gateway: TestGateway;

beforeEach(async () => {
  fake = fakeBackend();
  const slow = scripted();
  handle = slow.handle;
  fake.put("slow", "1", { service: (request, call) => unlessAborted(slow.service(request, call), call.signal) });
  gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}\ntimeout: 10s\n", kinds: [fake.kind] });
});

afterEach(() => gateway.close());

function infer(headers: Record<string, string> = {}, body = BODY): Promise<Answer> {
  return gateway.ask({ path: INFER, body, headers });
}

/** The request at the model. @throws Error with the answer where it was answered and never came there: the test would wait for ever */
async function reached(asked: Promise<Answer>): Promise<Asked> {
  const answered = asked.then(({ status, body }): never => {
    throw new Error(`expected the request at the model, got ${status} ${body}`);
  });
  answered.catch(() => {});
  return Promise.race([handle.next(), answered]);
}

test.each([
  ["x-request-timeout-ms: 40", { "x-request-timeout-ms": "40" }, BODY, 40],
  ["timeout: 40", { timeout: "40" }, BODY, 40],
  ["timeout of 40,000 microseconds", {}, '{"inputs":[],"parameters":{"timeout":40000}}', 40],
  ["a fraction of a millisecond", { "x-request-timeout-ms": "40.5" }, BODY, 40.5],
  ["two of them", { "x-request-timeout-ms": "5000" }, '{"inputs":[],"parameters":{"timeout":40000}}', 40],
])(
  "a caller's deadline (%s) is a 504 with the gateway as origin, and the model hears of it",
  async (_what, headers, body, ms) => {
    const started = performance.now();
    const asked = infer(headers as Record<string, string>, body);
    const { call } = await reached(asked);
    // what is promised to the model is what the caller said, whatever the gateway's own limit
    expect(call.deadline - call.startedAt).toBeCloseTo(ms, 6);
    const answer = await asked;
    expect(performance.now() - started).toBeGreaterThan(ms - 2);
    expect([answer.status, answer.json()]).toEqual([504, { error: `no answer within the deadline of ${ms} ms` }]);
    expect(answer.headers["sluice-error-origin"]).toBe("gateway");
    expect(call.signal.reason).toMatchObject({ code: "deadline-exceeded" });
  },
);

test("a caller cannot ask for more time than the config allows", async () => {
  const asked = infer({ "x-request-timeout-ms": "3600000" });
  const held = await reached(asked);
  // sums of times are not exact
  expect(held.call.deadline - held.call.startedAt).toBeCloseTo(10_000, 6);
  held.reply(wholeReply("slow", "1"));
  expect((await asked).status).toBe(200);
});

test("a timeout of 0 microseconds means none, as Triton has it", async () => {
  const asked = infer({}, '{"inputs":[],"parameters":{"timeout":0}}');
  const held = await reached(asked);
  // sums of times are not exact
  expect(held.call.deadline - held.call.startedAt).toBeCloseTo(10_000, 6);
  held.reply(wholeReply("slow", "1"));
  expect((await asked).status).toBe(200);
});

test.each(["0", "-5", "soon", "", "NaN", "Infinity"])(
  "the header x-request-timeout-ms: %j is a 400 that says what is expected",
  async (value) => {
    const answer = await infer({ "x-request-timeout-ms": value });
    expect([answer.status, answer.json()]).toEqual([
      400,
      { error: `header x-request-timeout-ms: expected milliseconds greater than 0, got "${value}"` },
    ]);
    expect(handle.waiting).toBe(0);
  },
);

test.each(["-1", '"40ms"', "true", "1.5"])("the parameter timeout: %s is a 400", async (value) => {
  const answer = await infer({}, `{"inputs":[],"parameters":{"timeout":${value}}}`);
  expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
  expect(answer.json().error).toContain("timeout");
  expect(handle.waiting).toBe(0);
});

test("an answer that comes after its deadline goes to nobody, and the next request gets its own", async () => {
  const first = infer({ "x-request-timeout-ms": "20", "x-request-id": "first" });
  const late = await reached(first);
  expect((await first).status).toBe(504);
  const second = infer({ "x-request-id": "second" }, '{"id":"second","inputs":[]}');
  const held = await reached(second);
  late.reply(
    wholeReply("slow", "1", { outputs: [{ name: "late", datatype: "INT32", shape: [0], data: new Uint8Array(0) }] }),
  );
  held.reply(wholeReply("slow", "1"));
  const answer = await second;
  expect([answer.status, answer.headers["x-request-id"], answer.json()]).toEqual([
    200,
    "second",
    { id: "second", model_name: "slow", model_version: "1", outputs: [] },
  ]);
});

test("a client that leaves cancels its call at the model", async () => {
  const socket = await rawSocket(gateway.port);
  socket.send(requestBytes({ path: INFER, body: BODY }));
  const { call } = await handle.next();
  socket.reset();
  await until(() => call.signal.aborted);
  expect(call.signal.reason).toMatchObject({ code: "cancelled", origin: "client" });
});

test.each([
  [new InferError("invalid-argument", "not this"), 400, "client", { error: "not this" }],
  // the client asked for a model that there is: what a backend does not find is no mistake of the client's
  [
    new InferError("not-found", "no such model"),
    503,
    "backend",
    { error: 'model "slow" version 1: backend "local" has it no longer' },
  ],
  [new InferError("unsupported", "cannot"), 400, "client", { error: "cannot" }],
  [new InferError("overloaded", "full", { retryAfterMs: 1500 }), 503, "gateway", { error: "full" }],
  [new InferError("unavailable", "away"), 503, "backend", { error: "away" }],
  [new InferError("bad-backend", "nonsense"), 502, "backend", { error: "nonsense" }],
  [new InferError("internal", "lost"), 500, "gateway", { error: "lost" }],
  [new TypeError("a secret"), 500, "gateway", { error: "internal error" }],
])("%s becomes status %i of origin %s", async (error, status, origin, body) => {
  const asked = infer({ "x-request-id": "mine" });
  (await reached(asked)).fail(error);
  const answer = await asked;
  expect([answer.status, answer.headers["sluice-error-origin"], answer.json()]).toEqual([status, origin, body]);
  expect(answer.headers["content-type"]).toBe("application/json");
  expect(answer.headers["x-request-id"]).toBe("mine");
  expect(answer.headers["retry-after"]).toBe(status === 503 && origin === "gateway" ? "2" : undefined);
});

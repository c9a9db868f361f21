// What /metrics says of real requests: counted once each, labelled from the config and never from a request.

import { afterEach, beforeEach, expect, test } from "vitest";
import { invalid } from "../../../core/error.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { rawSocket } from "../../support/raw-socket.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway;

beforeEach(async () => {
  const fake = fakeBackend();
  fake.put("good", "1", { service: async () => wholeReply("good", "1") });
  fake.put("good", "2", { service: async () => wholeReply("good", "2") });
  fake.put("bad", "1", { service: () => Promise.reject(invalid("never good enough")) });
  gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
});

afterEach(() => gateway.close());

const infer = (path: string, body = '{"inputs":[]}') => gateway.ask({ path: `/v2/models/${path}/infer`, body });

test("each request is counted once, by model, version, backend, protocol and code", async () => {
  for (let i = 0; i < 3; i += 1) await infer("good");
  await infer("good/versions/1");
  await infer("bad");
  const { sum } = await gateway.metrics();
  const here = { backend: "local", protocol: "oip-rest" };
  expect(sum("sluice_requests_total", { ...here, model: "good", version: "2", code: "ok", origin: "" })).toBe(3);
  expect(sum("sluice_requests_total", { ...here, model: "good", version: "1", code: "ok", origin: "" })).toBe(1);
  const bad = { ...here, model: "bad", version: "1", code: "invalid-argument", origin: "client" };
  expect(sum("sluice_requests_total", bad)).toBe(1);
  expect(sum("sluice_requests_total")).toBe(5);
  expect(sum("sluice_request_duration_seconds_count", { model: "good" })).toBe(4);
});

test("what is refused before it reaches a model is counted too, once each", async () => {
  expect((await infer("good", "{")).status).toBe(400);
  expect((await gateway.ask({ path: "/v2/models/good/infer" })).status).toBe(405);
  expect((await gateway.ask({ path: "/v2/nowhere" })).status).toBe(404);
  const encoded = await gateway.ask({
    path: "/v2/models/good/infer",
    body: "x",
    headers: { "content-encoding": "br" },
  });
  expect(encoded.status).toBe(415);
  const { sum } = await gateway.metrics();
  expect(sum("sluice_requests_total", { model: "good", code: "invalid-argument", origin: "client" })).toBe(1);
  expect(sum("sluice_requests_total", { code: "unsupported" })).toBe(2);
  expect(sum("sluice_requests_total", { code: "not-found" })).toBe(1);
  expect(sum("sluice_requests_total")).toBe(4);
});

test("names, versions and paths that only a request knows never become labels", async () => {
  const made = [
    "invented",
    "invented%2Fpath",
    "__proto__",
    "constructor",
    "good/versions/77",
    "good/versions/invented",
  ];
  for (const name of made) expect((await infer(name)).status).toBe(404);
  expect((await gateway.ask({ path: "/v2/invented" })).status).toBe(404);
  const { text, sum } = await gateway.metrics();
  expect(text).not.toMatch(/invented|__proto__|constructor|"77"/);
  expect(sum("sluice_requests_total", { code: "not-found" })).toBe(7);
  // the versions are the requests'; the model is the config's
  expect(sum("sluice_requests_total", { code: "not-found", model: "good", version: "" })).toBe(2);
  const series = text.split("\n").filter((line) => line.startsWith("sluice_requests_total{"));
  expect(series.length).toBeLessThanOrEqual(3);
});

test("bytes that are no HTTP change no series of requests", async () => {
  const socket = await rawSocket(gateway.port);
  socket.send("garbage\r\n\r\n");
  await socket.closed();
  expect((await gateway.metrics()).sum("sluice_requests_total")).toBe(0);
});

test("latency histograms have buckets from 100 us to 10 s", async () => {
  await infer("good");
  const { text } = await gateway.metrics();
  const bounds = [...text.matchAll(/sluice_request_duration_seconds_bucket\{le="([^"]+)"/g)].map(([, bound]) => bound);
  expect(bounds).toEqual([
    ..."0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10".split(" "),
    "+Inf",
  ]);
});

test("the process, its event loop and what is in flight are there", async () => {
  const { text, sum } = await gateway.metrics();
  for (const name of [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "nodejs_eventloop_lag_p99_seconds",
  ]) {
    expect(text).toContain(`\n${name} `);
  }
  expect(sum("sluice_in_flight_bytes")).toBe(0);
  expect(sum("sluice_in_flight_requests")).toBe(0);
});

test("/livez, /readyz and /metrics answer on the admin port alone, and HEAD too", async () => {
  expect([(await gateway.admin("/livez")).status, `${(await gateway.admin("/readyz")).body}`]).toEqual([200, "ok\n"]);
  expect((await gateway.admin("/metrics")).headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
  expect((await gateway.ask({ path: "/metrics" })).status).toBe(404);
  expect((await gateway.ask({ path: "/readyz" })).status).toBe(404);
  expect((await gateway.admin("/v2")).status).toBe(404);
});

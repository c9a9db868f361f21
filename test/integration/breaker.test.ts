// Two servers over real sockets, one of which is killed and comes back: what a breaker alone costs, and what operators see of it.

import { afterEach, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { main } from "../../gateway/cli.ts";
import { type ChaosProxy, openProxy } from "../support/chaos-proxy.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { jsonBody, plain } from "../support/gateway-oip.ts";
import { until } from "../support/http-client.ts";
import { type RecordedServer, startRecorded } from "../support/recorded.ts";
import { memoryIo } from "../unit/gateway/cli/memory-io.ts";

const ROW = Array.from({ length: 16 }, (_, i) => i);
const BODY = jsonBody(["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [1, 16], ROW)));

interface Pair {
  readonly gateway: TestGateway;
  readonly proxies: readonly ChaosProxy[];
  readonly servers: readonly RecordedServer[];
  /** The ids of the two endpoints. */
  readonly ids: readonly string[];
}

const open: Pair[] = [];
afterEach(async () => {
  for (const { gateway, proxies, servers } of open.splice(0)) {
    await gateway.close();
    await Promise.all([...proxies, ...servers].map((one) => one.close()));
  }
});

/** Neither retries nor health checks help: the breaker is alone. */
async function start(breaker: string): Promise<Pair> {
  const answer = ({ path }: { readonly path: string }) => (path.endsWith("/infer") ? "infer-binary" : undefined);
  const servers = [await startRecorded("triton", { answer }), await startRecorded("triton", { answer })];
  const proxies = [await openProxy(servers[0]!.port), await openProxy(servers[1]!.port)];
  const ids = proxies.map(({ port }) => `gpu/127.0.0.1:${port}`);
  const addresses = proxies.map(({ port }) => `"127.0.0.1:${port}"`).join(", ");
  const gateway = await startGateway({
    yaml: [
      "backends:",
      `  gpu: {kind: triton, protocol: http, endpoints: [${addresses}], health: {every: 1h}, retry: false,`,
      `        balance: {by: round-robin, slowStart: 0s}, breaker: ${breaker}}`,
      "models: {m: {backend: gpu, model: add_sub}}",
    ].join("\n"),
    kinds: backendKinds,
  });
  const pair = { gateway, proxies, servers, ids };
  open.push(pair);
  // both are known to have the model
  await until(async () => (await ask(pair)) === 200 && servers.every((one) => infers(one) > 0));
  return pair;
}

const infers = ({ asked }: RecordedServer) => asked.filter(({ path }) => path.endsWith("/infer")).length;

async function ask({ gateway }: Pair): Promise<number> {
  return (await gateway.ask({ path: "/v2/models/m/infer", ...BODY })).status;
}

async function sluice({ gateway }: Pair, ...args: readonly string[]) {
  const io = memoryIo({ env: { USER: "me" } });
  const code = await main([...args, "--url", `http://127.0.0.1:${gateway.adminPort}`], io);
  return { code, out: io.written(), err: io.complained() };
}

/** How often the breaker of an endpoint has opened, by the cause. */
async function trips({ gateway }: Pair, endpoint: string, cause: string): Promise<number> {
  return (await gateway.metrics()).sum("sluice_breaker_trips_total", { endpoint, cause });
}

async function openNow({ gateway }: Pair, endpoint: string): Promise<number> {
  return (await gateway.metrics()).sum("sluice_breaker_open", { endpoint });
}

test("a killed server costs five requests and no more while its breaker is open; the other one answers all", async () => {
  const pair = await start("{openFor: 1h, openMax: 1h}");
  const [dead, alive] = pair.servers;
  const before = [infers(dead!), infers(alive!)];
  await pair.proxies[0]!.set({ kind: "refuse" });
  const statuses: number[] = [];
  for (let i = 0; i < 400; i += 1) statuses.push(await ask(pair));
  // by turns, so every second one until the fifth
  expect(statuses.slice(0, 10).filter((status) => status === 503)).toHaveLength(5);
  expect(statuses.slice(10)).toEqual(Array.from({ length: 390 }, () => 200));
  expect([infers(dead!) - before[0]!, infers(alive!) - before[1]!]).toEqual([0, 395]);
  expect([await openNow(pair, pair.ids[0]!), await openNow(pair, pair.ids[1]!)]).toEqual([1, 0]);
  expect(await trips(pair, pair.ids[0]!, "consecutive")).toBe(1);
}, 60_000);

test("each further failure is a probe; the server that is back gets its share again", async () => {
  const pair = await start("{openFor: 20ms, openMax: 40ms}");
  const [id = ""] = pair.ids;
  await pair.proxies[0]!.set({ kind: "refuse" });
  let failed = 0;
  while ((await trips(pair, id, "probe")) < 3) if ((await ask(pair)) !== 200) failed += 1;
  const probes = await trips(pair, id, "probe");
  expect(failed).toBe(5 + probes);
  await pair.proxies[0]!.set(undefined);
  let late = 0;
  while ((await openNow(pair, id)) !== 0) if ((await ask(pair)) !== 200) late += 1;
  // one that was on its way when the server came back
  expect(late).toBeLessThanOrEqual(1);
  const before = infers(pair.servers[0]!);
  for (let i = 0; i < 100; i += 1) expect(await ask(pair)).toBe(200);
  expect(infers(pair.servers[0]!) - before).toBe(50);
}, 60_000);

test("operators see what is open, open and close by hand, and take it back", async () => {
  const pair = await start("{openFor: 1h, openMax: 1h}");
  const [first = "", second = ""] = pair.ids;
  expect((await sluice(pair, "breaker")).out).toBe(`${first} breaker: closed\n${second} breaker: closed\n`);

  expect(await sluice(pair, "breaker", "open", first)).toEqual({
    code: 0,
    out: `${first} breaker: open by hand\n`,
    err: "",
  });
  const before = infers(pair.servers[0]!);
  for (let i = 0; i < 20; i += 1) expect(await ask(pair)).toBe(200);
  expect(infers(pair.servers[0]!)).toBe(before);
  const { out } = await sluice(pair, "explain", "--model", "m");
  expect(out).toContain(`breaker ${first} is open by hand`);
  expect(out).toContain("1 of 2 endpoints can take it");
  const { guards } = JSON.parse(`${(await pair.gateway.admin("/admin/breakers")).body}`);
  expect(guards[0]).toEqual({
    policy: "breaker",
    backend: "gpu",
    endpoint: first,
    state: "open",
    forced: true,
    reason: "set by hand",
    said: "open by hand",
  });

  // a config that changes something else keeps what was set
  await pair.gateway.running.reload({ ...pair.gateway.running.config, timeoutMs: 29_000 });
  expect((await sluice(pair, "breaker")).out).toContain(`${first} breaker: open by hand`);

  // closed by hand it stays closed, whatever comes
  await sluice(pair, "breaker", "close", first);
  await pair.proxies[0]!.set({ kind: "refuse" });
  const statuses = new Map<number, number>();
  for (let i = 0; i < 40; i += 1) {
    const status = await ask(pair);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect(Object.fromEntries(statuses)).toEqual({ 200: 20, 503: 20 });
  await sluice(pair, "breaker", "reset", first);
  for (let i = 0; i < 10; i += 1) await ask(pair);
  expect((await sluice(pair, "breaker")).out).toMatch(
    new RegExp(`${first} breaker: open for .* more \\(5 failures in a row\\)`),
  );

  expect(await sluice(pair, "breaker", "open", "gpu/nobody:1")).toMatchObject({
    code: 1,
    err: expect.stringContaining('endpoint "gpu/nobody:1" has no breaker: those with one are gpu/127.0.0.1:'),
  });
  expect(await sluice(pair, "breaker", "trip", first)).toMatchObject({ code: 2 });
}, 60_000);

test("a lone server's breaker sends its requests to the fallback without asking it", async () => {
  const answer = ({ path }: { readonly path: string }) => (path.endsWith("/infer") ? "infer-binary" : undefined);
  const servers = [await startRecorded("triton", { answer }), await startRecorded("triton", { answer })];
  const proxies = [await openProxy(servers[0]!.port)];
  const backend = (port: number) =>
    `{kind: triton, protocol: http, endpoints: ["127.0.0.1:${port}"], health: {every: 1h}`;
  const gateway = await startGateway({
    yaml: [
      "backends:",
      `  near: ${backend(proxies[0]!.port)}, breaker: {openFor: 1h, openMax: 1h}}`,
      `  far: ${backend(servers[1]!.port)}}`,
      "models:",
      "  m:",
      "    versions: {1: {backend: near, model: add_sub}, 2: {backend: far, model: add_sub}}",
      "    route: {fallback: [1, 2]}",
    ].join("\n"),
    kinds: backendKinds,
  });
  const pair = { gateway, proxies, servers, ids: [] };
  open.push(pair);
  await until(async () => (await ask(pair)) === 200 && infers(servers[0]!) > 0);
  await proxies[0]!.set({ kind: "refuse" });
  for (let i = 0; i < 5; i += 1) expect(await ask(pair)).toBe(200);
  // it would answer again, and is not asked
  await proxies[0]!.set(undefined);
  const before = infers(servers[0]!);
  for (let i = 0; i < 20; i += 1) expect(await ask(pair)).toBe(200);
  expect([infers(servers[0]!) - before, infers(servers[1]!)]).toEqual([0, 25]);
  expect((await gateway.metrics()).sum("sluice_breaker_open", { backend: "near" })).toBe(1);
}, 60_000);

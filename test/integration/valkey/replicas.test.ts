// Two gateways with one shared store: an answer is computed once for both, a purge on one is seen by the other, and no request suffers from a store that fails.

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { systemEnv } from "../../../gateway/env.ts";
import { openLog } from "../../../gateway/log.ts";
import { openValkey } from "../../../gateway/valkey.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { jsonBody, plain } from "../../support/gateway-oip.ts";
import { ask as post } from "../../support/http-client.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";
import { hasValkey, startValkey, type ValkeyServer } from "../../support/valkey-server.ts";

let server: ValkeyServer;
let repository: TestRepository;
let a: TestGateway;
let b: TestGateway;

/** @param timeout long where the machine's own slowness must not be taken for the store's */
const config = (root: string, url: string, timeout: string) => `
tenant: {header: x-tenant, trusted: true}
store: {valkey: "${url}", secret: "a secret that all replicas share", timeout: ${timeout}, maxValue: 64KiB}
backends: {local: {kind: onnx, repository: "${root}", workers: 1}}
models:
  m: {backend: local, cache: {maxBytes: 1MiB}}
  by_tenant: {backend: local, model: m, cache: {by: tenant}}
  rows: {backend: local, model: m, cache: {maxBytes: 1MiB, rows: true}}
`;

const start = (timeout: string) => startGateway({ kinds: [onnx], yaml: config(repository.root, server.url, timeout) });

beforeAll(async () => {
  if (!hasValkey) return;
  server = await startValkey();
  repository = await openRepository();
  await repository.put("m", "1", "times_2");
  [a, b] = await Promise.all([start("5s"), start("5s")]);
  await vi.waitFor(
    async () => {
      await ask(a, "m", -1);
      await ask(b, "m", -2);
      for (const one of [a, b]) expect(await asked(one, "answered")).toBeGreaterThan(0);
    },
    { timeout: 20_000 },
  );
}, 60_000);
afterAll(async () => {
  if (!hasValkey) return;
  await Promise.all([a.close(), b.close()]);
  server.resume();
  await server.kill();
  await repository.close();
});

const WAIT = { timeout: 30_000, interval: 50 };
const silent = openLog({ level: "silent", pretty: false });

const asked = async (at: TestGateway, result: string) =>
  (await at.metrics()).sum("sluice_store_asked_total", { result });
const runs = async (at: TestGateway) => (await at.metrics()).sum("sluice_run_duration_seconds_count");

type Headers = Readonly<Record<string, string>>;

/** A row for each value; JSON. */
async function askRows(at: TestGateway, model: string, rows: readonly number[], headers: Headers = {}) {
  const { body, headers: own } = jsonBody([plain("x", "FP32", [rows.length], rows)]);
  const answer = await at.ask({ path: `/v2/models/${model}/infer`, body, headers: { ...own, ...headers } });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  const [output] = answer.json<{ outputs: readonly { data: readonly number[] }[] }>().outputs;
  return { values: output?.data, state: answer.headers["sluice-cache"] };
}

async function ask(at: TestGateway, model: string, value: number, headers: Headers = {}) {
  const { values, state } = await askRows(at, model, [value], headers);
  return { value: values?.[0], state };
}

/** What a replica may give without asking the model; undefined where it has nothing. */
async function keptRows(at: TestGateway, model: string, rows: readonly number[], headers: Headers = {}) {
  const { body, headers: own } = jsonBody([plain("x", "FP32", [rows.length], rows)]);
  const only = { ...own, ...headers, "cache-control": "only-if-cached" };
  const answer = await at.ask({ path: `/v2/models/${model}/infer`, body, headers: only });
  expect([200, 504]).toContain(answer.status);
  return answer.status === 200 ? answer.headers["sluice-cache"] : undefined;
}

const kept = (at: TestGateway, model: string, value: number, headers: Headers = {}) =>
  keptRows(at, model, [value], headers);

async function purge(at: TestGateway, query: string) {
  const answer = await post({ port: at.adminPort, method: "POST", path: `/admin/cache/purge?${query}` });
  return answer.json<{ readonly shared?: boolean }>().shared;
}

describe.skipIf(!hasValkey)("two replicas (needs valkey-server or redis-server)", { timeout: 120_000 }, () => {
  it("compute an answer once", async () => {
    expect(await kept(b, "m", 1)).toBeUndefined();
    expect(await ask(a, "m", 1)).toEqual({ value: 2, state: "miss" });
    await vi.waitFor(async () => expect(await kept(b, "m", 1)).toBe("hit"), WAIT);
    const before = await runs(b);
    expect(await ask(b, "m", 1)).toEqual({ value: 2, state: "hit" });
    expect(await runs(b)).toBe(before);
  });

  it("give nothing that was purged on the other one, of a tenant alone and of a model", async () => {
    const [acme, other] = [{ "x-tenant": "acme" }, { "x-tenant": "other" }];
    await ask(a, "m", 2);
    for (const tenant of [acme, other]) await ask(a, "by_tenant", 2, tenant);
    const all = async () => [
      await kept(b, "by_tenant", 2, acme),
      await kept(b, "by_tenant", 2, other),
      await kept(b, "m", 2),
    ];
    await vi.waitFor(async () => expect(await all()).toEqual(["hit", "hit", "hit"]), WAIT);
    expect(await purge(a, "model=by_tenant&tenant=acme")).toBe(true);
    await vi.waitFor(async () => expect(await all()).toEqual([undefined, "hit", "hit"]), WAIT);
    expect(await purge(a, "model=by_tenant")).toBe(true);
    await vi.waitFor(async () => expect(await all()).toEqual([undefined, undefined, "hit"]), WAIT);
  });

  it("find what they kept after a restart of one of them", async () => {
    await ask(a, "m", 4);
    await vi.waitFor(async () => expect(await kept(b, "m", 4)).toBe("hit"), WAIT);
    await b.close();
    b = await start("5s");
    await vi.waitFor(async () => expect(await kept(b, "m", 4)).toBe("hit"), WAIT);
  });

  it("compute a row once, whichever requests it comes in, until it is purged on either", async () => {
    expect(await askRows(a, "rows", [1, 2, 3])).toEqual({ values: [2, 4, 6], state: "miss" });
    await vi.waitFor(async () => expect(await keptRows(b, "rows", [3, 1, 2])).toBe("hit"), WAIT);
    const before = await runs(b);
    expect(await askRows(b, "rows", [3, 1, 3, 2])).toEqual({ values: [6, 2, 6, 4], state: "hit" });
    expect(await ask(b, "rows", 2)).toEqual({ value: 4, state: "hit" });
    expect(await runs(b)).toBe(before);
    // a row of its own in one request, and then among others at the other one
    expect(await ask(b, "rows", 9)).toEqual({ value: 18, state: "miss" });
    await vi.waitFor(async () => expect(await keptRows(a, "rows", [9, 1])).toBe("hit"), WAIT);
    expect(await askRows(a, "rows", [8, 9, 1])).toEqual({ values: [16, 18, 2], state: "miss" });
    expect(await purge(b, "model=rows")).toBe(true);
    await vi.waitFor(async () => expect(await keptRows(a, "rows", [1, 2])).toBeUndefined(), WAIT);
    expect(await askRows(a, "rows", [2, 1])).toEqual({ values: [4, 2], state: "miss" });
  });

  it("take a row that was changed in the store for a miss, count it, and answer rightly", async () => {
    const raw = openValkey({ valkey: server.url, timeoutMs: 5_000 }, systemEnv({ log: silent, emit: () => {} }));
    try {
      await vi.waitFor(() => expect(raw.available()).toBe(true), WAIT);
      const [old = []] = (await raw.ask([["KEYS", "sluice:a:*"]])) as readonly (readonly unknown[])[];
      const known = new Set(old.map(String));
      expect(await askRows(a, "rows", [21, 22])).toMatchObject({ state: "miss" });
      const mine: string[] = [];
      await vi.waitFor(async () => {
        const [now = []] = (await raw.ask([["KEYS", "sluice:a:*"]])) as readonly (readonly unknown[])[];
        mine.splice(0, mine.length, ...now.map(String).filter((key) => !known.has(key)));
        expect(mine).toHaveLength(2);
      }, WAIT);
      const [key = ""] = mine;
      await raw.ask([["SETRANGE", key, 40, "?"]]);
      expect(await askRows(b, "rows", [21, 22])).toEqual({ values: [42, 44], state: "miss" });
      expect((await b.metrics()).sum("sluice_store_spoiled_total")).toBe(1);
      expect(await askRows(b, "rows", [22, 21])).toEqual({ values: [44, 42], state: "hit" });
    } finally {
      await raw.close();
    }
  });

  it("answer every request rightly while the store is slow, stopped, killed, started again and full", async () => {
    const own = await start("5ms");
    let slow: NodeJS.Timeout | undefined;
    const raw = openValkey({ valkey: server.url, timeoutMs: 5_000 }, systemEnv({ log: silent, emit: () => {} }));
    try {
      let isOver = false;
      let right = 0;
      const wrong: unknown[] = [];
      const crowd = Array.from({ length: 8 }, async (_, client) => {
        for (let n = 0; !isOver; n += 1) {
          // half of them have been asked before
          const value = 1_000 + (n % 2 === 0 ? n % 20 : client * 10_000 + n);
          const at = n % 3 === 0 ? a : own;
          // every fourth asks for rows: one that is new, and two that have been asked before or not
          const rows = n % 4 === 0 ? [value, 1_000 + client, 2_000 + (n % 50)] : [value];
          const answer = await askRows(at, n % 4 === 0 ? "rows" : "m", rows).catch((error: unknown) => ({
            values: error,
          }));
          if (`${answer.values}` === `${rows.map((row) => 2 * row)}`) right += 1;
          else wrong.push(answer.values);
        }
      });
      const some = async () => {
        const until = right + 200;
        await vi.waitFor(() => expect(right + wrong.length).toBeGreaterThan(until), WAIT);
      };
      await some();
      // each of its answers takes longer than anybody waits, and it is there all the time
      slow = setInterval(() => {
        server.pause();
        setTimeout(server.resume, 20);
      }, 25);
      await some();
      await vi.waitFor(async () => expect(await asked(own, "late")).toBeGreaterThan(0), WAIT);
      clearInterval(slow);
      await new Promise((resolve) => setTimeout(resolve, 50));
      server.resume();
      await some();
      server.pause();
      await some();
      server.resume();
      await some();
      await server.kill();
      await some();
      await server.start();
      await vi.waitFor(() => expect(raw.available()).toBe(true), WAIT);
      await raw.ask([["CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction"]]);
      await some();
      isOver = true;
      await Promise.all(crowd);
      expect(wrong).toEqual([]);
      expect(right).toBeGreaterThan(1_000);
    } finally {
      clearInterval(slow);
      await raw.close();
      await own.close();
    }
  });
});

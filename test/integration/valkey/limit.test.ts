// Rates that replicas count together in a real server, and what becomes of them when it is gone.

import { afterEach, describe, expect, it, vi } from "vitest";
import { openCall } from "../../../core/call.ts";
import type { PolicyContext } from "../../../core/policy.ts";
import { systemEnv } from "../../../gateway/env.ts";
import { openLog } from "../../../gateway/log.ts";
import { openStore } from "../../../gateway/store.ts";
import { rateLayer } from "../../../policies/limit/rate.ts";
import { limitWords } from "../../../policies/limit/words.ts";
import { requestFor, wholeReply } from "../../support/scripted.ts";
import { hasValkey, startValkey, type ValkeyServer } from "../../support/valkey-server.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Replica {
  /** How many of so many requests of a tenant's pass. */
  passed(count: number, tenant: string): Promise<number>;
}

async function replica(at: ValkeyServer, words: unknown): Promise<Replica> {
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
  const timeoutMs = 5_000;
  const store = openStore({ valkey: at.url, secret: "s", timeoutMs, prefix: "test", maxValueBytes: 1024 }, env);
  closing.push(store.close);
  await vi.waitFor(() => expect(store.counts.available()).toBe(true), { timeout: 10_000 });
  const context: PolicyContext = { model: "m", env, store: store.counts };
  const service = rateLayer(limitWords.parse(words).rates, context)(async () => wholeReply("m", "1"));
  const ask = (tenant: string) => {
    const call = openCall({ id: "", traceparent: "", clock: env.clock, protocol: "test", tenant });
    return service(requestFor("m"), call).then(
      () => 1,
      () => 0,
    );
  };
  return {
    async passed(count, tenant) {
      const all = await Promise.all(Array.from({ length: count }, () => ask(tenant)));
      return all.reduce<number>((sum, one) => sum + one, 0);
    },
  };
}

describe.skipIf(!hasValkey)("a rate in a store that replicas share", () => {
  it("is one for both, each tenant's own, and each replica's own when the store is gone", async () => {
    const server = await startValkey();
    const words = { rate: "100/h", by: "tenant" };
    const [one, other] = [await replica(server, words), await replica(server, words)];
    const both = await Promise.all([one.passed(80, "a"), other.passed(80, "a")]);
    expect(both[0] + both[1]).toBe(100);
    expect(await other.passed(100, "b")).toBe(100);
    expect(await one.passed(10, "b")).toBe(0);
    await server.kill();
    // none fails: each goes on with what it has counted itself
    expect([await one.passed(150, "c"), await other.passed(150, "c")]).toEqual([100, 100]);
  });
});

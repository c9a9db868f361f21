// Counts that replicas keep together, against a real server.

import { afterEach, describe, expect, it, vi } from "vitest";
import { hasValkey } from "../../support/valkey-server.ts";
import { closeAll, replica, server } from "./replica.ts";

afterEach(closeAll);

describe.skipIf(!hasValkey)("shared counts (needs valkey-server or redis-server)", { timeout: 60_000 }, () => {
  it("counts together over replicas, begins anew when a count has ended, and looks without adding", async () => {
    const at = await server();
    const [a, b] = [await replica(at), await replica(at)];
    const added = await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? a : b).counts.add("acme", 3, 60_000)),
    );
    const totals = added.map((one) => one?.total ?? 0).sort((x, y) => x - y);
    expect(totals).toEqual(Array.from({ length: 100 }, (_, n) => 3 * (n + 1)));
    const looked = await b.counts.add("acme", 0, 60_000);
    expect(looked?.total).toBe(300);
    expect(looked?.endsInMs).toBeGreaterThan(0);
    expect(looked?.endsInMs).toBeLessThanOrEqual(60_000);
    await vi.waitFor(async () => expect((await a.counts.add("short", 1, 30))?.total).toBe(1));
    await vi.waitFor(async () => expect((await a.counts.add("short", 0, 30))?.total).toBe(0));
  });
});

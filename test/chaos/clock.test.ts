// Clocks that jump: the wall's by a day in both directions, which decides nothing, and the monotonic one by an hour.

import { afterEach, describe, expect, it, vi } from "vitest";
import { openChaosGateway } from "../support/chaos.ts";
import { startChaosGrpc } from "../support/chaos-grpc.ts";
import { startChaosServer } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const one of opened.splice(0).reverse()) await one.close();
});

const DAY_MS = 86_400_000;

describe("a clock that jumps", () => {
  for (const protocol of ["http", "grpc"] as const) {
    for (const jump of [DAY_MS, -DAY_MS]) {
      it(`on the wall by ${jump / DAY_MS} day ends no call over ${protocol} and costs no endpoint its health`, async () => {
        const server = await (protocol === "http" ? startChaosServer() : startChaosGrpc());
        opened.push(server);
        const gateway = await openChaosGateway({ ports: [server.port], protocol });
        opened.push(gateway);
        const held: (() => void)[] = [];
        server.spoil((ask: { right(): void }) => void held.push(() => ask.right()));
        const over = [gateway.ask([1]), gateway.askGrpc([2])];
        await until(() => held.length === 2);
        vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + jump });
        for (const right of held) right();
        expect((await Promise.all(over)).map(({ y }) => y)).toEqual([[4], [7]]);
        server.spoil(undefined);
        expect((await gateway.ask([3])).y).toEqual([10]);
        for (let n = 0; n < 3; n += 1) await gateway.check();
        expect(gateway.health(server.port)).toBe("healthy");
      });
    }
  }

  it("by an hour without the wall ends what waits, asks each endpoint once, and goes on", async () => {
    const server = await startChaosServer();
    opened.push(server);
    const gateway = await openChaosGateway({ ports: [server.port] });
    opened.push(gateway);
    server.spoil(() => {});
    const before = server.asks;
    const waiting = gateway.ask([1]);
    await until(() => server.asks > before);
    server.spoil(undefined);
    const { checks } = server;
    gateway.jump(3_600_000);
    expect((await waiting).status).toBe(504);
    expect((await gateway.ask([2])).y).toEqual([7]);
    await until(() => server.checks > checks);
    // the checks that an hour would have had are not made up for
    expect(server.checks - checks).toBe(1);
    expect(gateway.health(server.port)).toBe("healthy");
  });
});

// What the way to a server does wrong, whatever is spoken on it: what the client sees, what health says, when it is over.

import { afterEach, describe, expect, it } from "vitest";
import { type ChaosGateway, DEADLINE_MS, openChaosGateway } from "../support/chaos.ts";
import { startChaosGrpc } from "../support/chaos-grpc.ts";
import { type ChaosServer, line, startChaosServer } from "../support/chaos-http.ts";
import { type ChaosProxy, openProxy, type Toxic } from "../support/chaos-proxy.ts";
import { seededRandom } from "../support/fake-env.ts";
import { until } from "../support/http-client.ts";

interface Row {
  readonly toxic: Toxic;
  /** What the client sees of a single endpoint, over HTTP and over gRPC to the server. */
  readonly status: { readonly http: number; readonly grpc: number };
  /** Nothing comes back: limits of time end what waits. */
  readonly silent?: true;
}

/** A connection that gRPC cannot make is tried again until the deadline, or fails at once once that is known. */
const TABLE: Readonly<Record<string, Row>> = {
  "refuses connections": { toxic: { kind: "refuse" }, status: { http: 503, grpc: 503 } },
  "takes connections and hangs": { toxic: { kind: "hang" }, status: { http: 504, grpc: 504 }, silent: true },
  "resets each connection": { toxic: { kind: "reset" }, status: { http: 503, grpc: 503 } },
  "cuts each connection behind 40 bytes": { toxic: { kind: "cut", afterBytes: 40 }, status: { http: 503, grpc: 503 } },
  "garbles what comes back": { toxic: { kind: "garble", random: seededRandom(9) }, status: { http: 502, grpc: 503 } },
};

/** Bad checks that take an endpoint away and good ones that bring it back, as `health` has them by default. */
const [AWAY, BACK] = [3, 2];

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/**
 * grpc-js waits by its own clock before it connects again, at most two seconds, and fails calls at once until the connection
 * speaks HTTP/2: checks count from the one that the server heard.
 */
async function reconnected({ server, gateway }: Pick<Opened, "server" | "gateway">): Promise<void> {
  const { checks } = server;
  await until(async () => {
    await gateway.check();
    return server.checks > checks;
  });
}

interface Opened {
  readonly proxy: ChaosProxy;
  /** Behind the proxy. */
  readonly server: Pick<ChaosServer, "checks">;
  readonly well: Pick<ChaosServer, "asks" | "port">;
  readonly gateway: ChaosGateway;
}

/** A server behind a proxy, and where `pair` asks for it another one that is well. */
async function open(protocol: "http" | "grpc", pair: boolean): Promise<Opened> {
  const start = protocol === "http" ? startChaosServer : startChaosGrpc;
  const [server, well] = [await start(), await start()];
  const proxy = await openProxy(server.port);
  opened.push(server, well, proxy);
  const ports = [proxy.port, ...(pair ? [well.port] : [])];
  const gateway = await openChaosGateway({ ports, protocol });
  opened.push(gateway);
  return { proxy, server, well, gateway };
}

for (const protocol of ["http", "grpc"] as const) {
  describe(`a way over ${protocol} that`, () => {
    for (const [name, { toxic, status, silent = false }] of Object.entries(TABLE)) {
      it(`${name} is ${status[protocol]}, costs the endpoint its health in ${AWAY} checks, and ${BACK} bring it back`, async () => {
        const { proxy, server, gateway } = await open(protocol, false);
        expect((await gateway.ask([1])).y).toEqual([4]);
        await proxy.set(toxic);
        const bytes = proxy.asked;
        const asked = gateway.ask([2, 3]);
        if (silent) {
          await until(() => proxy.asked > bytes);
          gateway.env.clock.advance(DEADLINE_MS);
        }
        const seen = await asked;
        expect([seen.status, seen.y]).toEqual([status[protocol], undefined]);
        // failures of calls bring it to the brink: the first bad check decides
        expect(await gateway.checksUntil(proxy.port, "unhealthy", silent)).toBeLessThanOrEqual(AWAY);
        await proxy.set(undefined);
        if (protocol === "grpc") await reconnected({ server, gateway });
        const heard = protocol === "grpc" ? 1 : 0;
        expect(heard + (await gateway.checksUntil(proxy.port, "healthy"))).toBeLessThanOrEqual(BACK + 1);
        expect((await gateway.ask([2, 3])).y).toEqual([7, 10]);
      });
    }

    it("breaks beside one that is well costs no request once it is known", async () => {
      const { proxy, well, gateway } = await open(protocol, true);
      await proxy.set({ kind: "refuse" });
      await gateway.checksUntil(proxy.port, "unhealthy");
      const before = well.asks;
      const x = Array.from({ length: 20 }, (_, n) => [n, -n]);
      for (const one of x) expect((await gateway.ask(one)).y).toEqual(line(one));
      expect(well.asks - before).toBe(20);
    });
  });
}

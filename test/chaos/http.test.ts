// What one server does wrong with an inference over HTTP: what the client sees, what health says, and when it is over.

import { afterEach, describe, expect, it } from "vitest";
import { type ChaosGateway, DEADLINE_MS, openChaosGateway, type Seen } from "../support/chaos.ts";
import { HTTP_FAULTS, type HttpFault, swapping } from "../support/chaos-faults.ts";
import { type ChaosServer, line, startChaosServer } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";

/** What the client sees over REST (a status) and over gRPC (a code), and whether another endpoint may cure it. */
interface Row {
  readonly rest: number;
  readonly grpc: number;
  readonly origin: "backend" | "gateway";
  /** The answer never ends by itself: the deadline ends it. */
  readonly endless?: true;
  /** Seconds until a retry is worth its while, as the server said. */
  readonly retryAfter?: string;
}

const LOST = { rest: 503, grpc: 14, origin: "backend" } as const;
const LATE = { rest: 504, grpc: 4, origin: "gateway", endless: true } as const;
const WRONG = { rest: 502, grpc: 13, origin: "backend" } as const;

const TABLE: Readonly<Record<HttpFault, Row>> = {
  "takes the request and hangs": LATE,
  "resets before any byte": LOST,
  "resets inside the headers": LOST,
  "resets behind the headers": LOST,
  "closes behind half a body": LOST,
  "drips without an end": LATE,
  "says a length beyond its body": LOST,
  "says a length short of its body": WRONG,
  "answers garbage": WRONG,
  "answers what is no JSON": WRONG,
  "answers 200 with an error inside": WRONG,
  "answers a shape that its values do not fit": WRONG,
  "answers another output": WRONG,
  "answers under another id": WRONG,
  "answers 500": WRONG,
  "answers 503": LOST,
  "answers 429": { rest: 503, grpc: 8, origin: "backend", retryAfter: "3" },
};

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function open(
  count: number,
): Promise<{ readonly servers: readonly ChaosServer[]; readonly gateway: ChaosGateway }> {
  const servers = await Promise.all(Array.from({ length: count }, () => startChaosServer()));
  opened.push(...servers);
  const gateway = await openChaosGateway({ ports: servers.map(({ port }) => port) });
  opened.push(gateway);
  return { servers, gateway };
}

/** Asks, and lets the deadline pass where nothing else ends it. */
async function seen(
  gateway: ChaosGateway,
  server: ChaosServer,
  how: { readonly ask: () => Promise<Seen>; readonly endless: boolean },
) {
  const before = server.asks;
  const asked = how.ask();
  if (how.endless) {
    await until(() => server.asks > before);
    gateway.env.clock.advance(DEADLINE_MS);
  }
  return asked;
}

describe("a server that", () => {
  for (const [name, row] of Object.entries(TABLE) as [HttpFault, Row][]) {
    const { rest, grpc, origin, endless = false } = row;
    it(`${name} is ${rest} over REST and ${grpc} over gRPC, keeps its health, and is right again with the next answer`, async () => {
      const { servers, gateway } = await open(1);
      const [server] = servers as [ChaosServer];
      const x = [7, -2];
      // it has echoed an id before
      expect((await gateway.ask(x)).y).toEqual(line(x));
      server.spoil(HTTP_FAULTS[name]);
      const overRest = await seen(gateway, server, { ask: () => gateway.ask(x), endless });
      const overGrpc = await seen(gateway, server, { ask: () => gateway.askGrpc(x), endless });
      expect([overRest.status, overGrpc.status]).toEqual([rest, grpc]);
      expect([overRest.origin, overGrpc.origin]).toEqual([origin, origin]);
      expect([overRest.y, overGrpc.y]).toEqual([undefined, undefined]);
      expect(overRest.retryAfter).toBe(row.retryAfter);
      // its own word decides: it says that it is well
      await gateway.check();
      expect(gateway.health(server.port)).toBe("healthy");
      server.spoil(undefined);
      expect(await gateway.ask(x)).toMatchObject({ status: 200, y: line(x) });
      await until(() => server.open <= 2);
    });
  }

  it("gives two requests each other's answers gives two honest errors, since their ids are not echoed", async () => {
    const { servers, gateway } = await open(1);
    const [server] = servers as [ChaosServer];
    server.spoil(swapping());
    const both = await Promise.all([gateway.ask([1]), gateway.askGrpc([2])]);
    expect(both.map(({ status }) => status)).toEqual([502, 13]);
    server.spoil(undefined);
    expect((await gateway.ask([1])).y).toEqual([4]);
  });
});

describe("a server whose health fails", () => {
  it("gets nothing after three bad checks and everything after two good ones", async () => {
    const { servers, gateway } = await open(2);
    const [sick, well] = servers as [ChaosServer, ChaosServer];
    sick.health(503);
    const lost = await sick.checks;
    await gateway.checksUntil(sick.port, "unhealthy");
    expect(sick.checks - lost).toBe(3);
    const before = sick.asks;
    for (let n = 0; n < 10; n += 1) expect((await gateway.ask([n])).y).toEqual([3 * n + 1]);
    expect([sick.asks - before, well.asks > 0]).toEqual([0, true]);
    sick.health(200);
    const back = sick.checks;
    await gateway.checksUntil(sick.port, "healthy");
    expect(sick.checks - back).toBe(2);
    expect(gateway.health(well.port)).toBe("healthy");
  });
});

// Servers that move and name services that fail: who gets requests, and that a name service that is away takes nobody away.

import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Resolver, SrvRecord } from "../../backends/external/discovery.ts";
import { externalKind } from "../../backends/external.ts";
import { openOipHttp } from "../../backends/oip/http.ts";
import { oipProtocol } from "../../backends/oip/words.ts";
import { oip } from "../../backends/oip.ts";
import { openChaosGateway } from "../support/chaos.ts";
import { type ChaosServer, startChaosServer } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const at = ({ port }: ChaosServer): SrvRecord => ({ name: "127.0.0.1", port, priority: 0, weight: 1 });

/** A gateway whose servers are what the name says now; a thrown error is a name service that fails. */
async function open(first: ChaosServer) {
  let says: () => readonly SrvRecord[] = () => [at(first)];
  let asked = 0;
  const resolver: Resolver = {
    addresses: () => Promise.reject(new Error("nobody asks for addresses")),
    readFile: () => Promise.reject(new Error("nobody reads files")),
    async srv() {
      asked += 1;
      return says();
    },
  };
  const kind = externalKind(
    {
      kind: oip.kind,
      words: { protocol: oipProtocol, dialect: z.string() },
      connect: (_, door) => openOipHttp(door, "plain"),
    },
    { resolver },
  );
  const endpoints = "{srv: _oip._tcp.chaos.test}";
  const gateway = await openChaosGateway({ ports: [first.port], endpoints, kinds: [kind], timeoutMs: 60_000 });
  opened.push(gateway);
  return {
    gateway,
    /** The name says something else from now on; resolves when it was asked again. */
    async now(next: () => readonly SrvRecord[]) {
      says = next;
      const before = asked;
      await until(async () => {
        await gateway.check();
        return asked > before;
      });
    },
  };
}

describe("a name that", () => {
  it("names another server brings every request there, and the calls of the first one to their end", async () => {
    const [first, second] = [await startChaosServer(), await startChaosServer()];
    opened.push(first, second);
    const { gateway, now } = await open(first);
    const held: (() => void)[] = [];
    first.spoil((ask) => void held.push(ask.right));
    const late = gateway.ask([5]);
    await until(() => held.length === 1);
    await now(() => [at(second)]);
    await until(() => gateway.health(second.port) === "healthy");
    expect(gateway.health(first.port)).toBe("gone");
    const before = first.asks;
    for (let n = 0; n < 5; n += 1) expect((await gateway.ask([n])).y).toEqual([3 * n + 1]);
    expect([first.asks - before, second.asks]).toEqual([0, 5]);
    held[0]!();
    expect((await late).y).toEqual([16]);
    await until(() => first.open === 0);
  });

  it.each<[string, () => readonly SrvRecord[]]>([
    [
      "cannot be asked",
      () => {
        throw new Error("queryServfail _oip._tcp.chaos.test");
      },
    ],
    ["has no targets", () => []],
  ])("%s takes no server away, and is followed again when it can be", async (_, fails) => {
    const [first, second] = [await startChaosServer(), await startChaosServer()];
    opened.push(first, second);
    const { gateway, now } = await open(first);
    await now(fails);
    await now(fails);
    expect(gateway.health(first.port)).toBe("healthy");
    expect((await gateway.ask([1])).y).toEqual([4]);
    // said once, not with each question
    expect(gateway.env.lines.filter(({ message }) => message.startsWith("endpoints stay as they are"))).toHaveLength(1);
    await now(() => [at(first), at(second)]);
    await until(() => gateway.health(second.port) === "healthy");
    expect((await gateway.ask([1])).y).toEqual([4]);
  });

  it("says the same with each question opens no new connection", async () => {
    const first = await startChaosServer();
    opened.push(first);
    const { gateway, now } = await open(first);
    await gateway.ask([1]);
    const list = JSON.stringify(gateway.env.events.filter(({ type }) => type === "endpoint-state"));
    for (let n = 0; n < 5; n += 1) await now(() => [at(first)]);
    expect(JSON.stringify(gateway.env.events.filter(({ type }) => type === "endpoint-state"))).toBe(list);
  });
});

// Every fault at random under load: each request gets one right answer or one honest error, and all that was taken is given back.

import { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { oip } from "../../backends/oip.ts";
import { openChaosClient, openTally, type Tally } from "../support/chaos-client.ts";
import { HTTP_FAULTS, swapping } from "../support/chaos-faults.ts";
import { answerGrpc, type GrpcSpoil, grpcAnswer, startChaosGrpc } from "../support/chaos-grpc.ts";
import { body, httpAnswer, type Spoil, startChaosServer } from "../support/chaos-http.ts";
import { type ChaosProxy, openProxy, type Toxic } from "../support/chaos-proxy.ts";
import { seededRandom } from "../support/fake-env.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";

/** Of a run in CI; `npm run soak` asks for a million. */
const REQUESTS = Number(process.env.SLUICE_CHAOS_REQUESTS ?? 3000);
const CLIENTS = 48;
/** A request is answered after half a second at the latest; what has no answer after this long hangs. */
const PATIENCE_MS = 15_000;
/** The share of inferences that a server spoils, and of those the share that it leaves to the deadline. */
const SPOILT = 0.15;
const ENDLESS = 0.05;
/** The share of the changes of a way that heal it. */
const HEALED = 0.8;
/** Requests between two changes of the ways to the servers. */
const CHANGE_EVERY = 60;
/** Bytes that the heap and the buffers may be larger after the run than after a short one. */
const GROWTH = 24 * 2 ** 20;

type Chance = () => number;

function pick<T>(from: readonly T[], random: Chance): T {
  return from[Math.floor(random() * from.length)] as T;
}

/** Spoils some answers, each in one of all the ways that can be told by what is sent. */
function spoilSome(random: Chance): Spoil {
  const { "takes the request and hangs": hang, "drips without an end": drip, ...rest } = HTTP_FAULTS;
  const faults: readonly Spoil[] = [...Object.values(rest), swapping()];
  return (ask) => {
    if (random() >= SPOILT) return ask.right();
    return pick(random() < ENDLESS ? [hang, drip] : faults, random)(ask);
  };
}

function spoilSomeGrpc(random: Chance): GrpcSpoil {
  const faults: readonly GrpcSpoil[] = [
    ({ stream }) => stream.close(2),
    ({ stream }) => stream.close(7),
    ({ stream }) => stream.close(8),
    ({ session, right }) => {
      session.goaway(0);
      right();
      session.close();
    },
    ({ session }) => session.destroy(),
    ({ stream }) => answerGrpc(stream, undefined, 14, "busy"),
    ({ stream, x }) => answerGrpc(stream, grpcAnswer(x, "not-yours")),
    ({ stream }) => answerGrpc(stream, Buffer.from("ffff", "hex")),
  ];
  return (ask) => {
    if (random() >= SPOILT) return ask.right();
    return random() < ENDLESS ? undefined : pick(faults, random)(ask);
  };
}

function toxicOf(random: Chance): Toxic | undefined {
  const toxics: readonly Toxic[] = [
    { kind: "refuse" },
    { kind: "reset" },
    { kind: "cut", afterBytes: Math.floor(random() * 2000) },
    { kind: "garble", random },
    { kind: "hang" },
  ];
  return random() < HEALED ? undefined : pick(toxics, random);
}

async function isReady(gateway: TestGateway, model: string): Promise<boolean> {
  return (await gateway.ask({ path: `/v2/models/${model}/ready` })).status === 200;
}

/** Starts servers, ways and a gateway, sends the requests, and takes everything down. */
async function run(requests: number, seed: number): Promise<Tally> {
  const random = seededRandom(seed);
  const rest = await Promise.all(Array.from({ length: 3 }, () => startChaosServer()));
  const wire = await Promise.all(Array.from({ length: 2 }, () => startChaosGrpc()));
  const proxies: ChaosProxy[] = [];
  for (const { port } of [...rest, ...wire]) proxies.push(await openProxy(port));
  const at = (from: number, to: number) =>
    proxies
      .slice(from, to)
      .map(({ port }) => `"127.0.0.1:${port}"`)
      .join(", ");
  const shared = "kind: oip, dialect: plain, health: {every: 250ms, timeout: 400ms}, timeouts: {connect: 300ms}";
  const gateway = await startGateway({
    yaml: `timeout: 500ms
backends:
  rest: {${shared}, protocol: http, endpoints: [${at(0, 3)}]}
  wire: {${shared}, protocol: grpc, endpoints: [${at(3, 5)}]}
models: {line: {backend: rest}, wired: {backend: wire, model: line}}`,
    kinds: [oip],
  });
  for (const name of ["line", "wired"]) await until(async () => isReady(gateway, name));
  for (const server of rest) server.spoil(spoilSome(random));
  for (const server of wire) server.spoil(spoilSomeGrpc(random));
  const tally = openTally();
  const client = async () => {
    const one = openChaosClient(gateway.port, tally, PATIENCE_MS);
    while (tally.sent < requests) {
      const n = tally.sent;
      if (n % CHANGE_EVERY === 0) void pick(proxies, random).set(toxicOf(random));
      await one.ask(n % 4 === 3 ? "wired" : "line", n);
    }
    one.close();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const metrics = await gateway.metrics();
  // each request ended once, and nothing is held for any of them
  expect(metrics.sum("sluice_requests_total")).toBe(tally.sent);
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 0);
  expect((await gateway.metrics()).sum("sluice_in_flight_bytes")).toBe(0);
  await gateway.close();
  for (const one of [...proxies, ...rest, ...wire]) await one.close();
  return tally;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of the heap and of buffers that something still refers to. */
function held(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

interface Handles {
  _getActiveHandles(): readonly object[];
}

/**
 * Sockets, servers and whatever else keeps a process alive, each kind with its number. One timer is the test's own; and Node
 * keeps the handles of sockets that this test's proxies have reset and destroyed.
 */
function resources(): string {
  const left = new Map([["Timeout", -1]]);
  for (const kind of process.getActiveResourcesInfo()) left.set(kind, (left.get(kind) ?? 0) + 1);
  const handles = (process as unknown as Handles)._getActiveHandles();
  const dead = handles.filter((handle) => handle instanceof Socket && handle.destroyed).length;
  left.set("TCPSocketWrap", (left.get("TCPSocketWrap") ?? 0) - dead);
  return [...left]
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind} ${count}`)
    .sort()
    .join(", ");
}

describe("every fault at random under load", () => {
  it(`gives each of ${REQUESTS} requests one right answer or one honest error, and everything back`, {
    timeout: 7_200_000,
  }, async () => {
    const idle = resources();
    const settled = async () => {
      await until(() => resources() === idle, 10_000).catch(() => {});
      expect(resources()).toBe(idle);
    };
    await run(500, 3);
    await settled();
    const before = held();
    const tally = await run(REQUESTS, 7);
    const { right, errors, mixed, lost, doubled, hung, dishonest } = tally;
    const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
    expect({ mixed, lost, doubled, hung, dishonest }).toEqual({ mixed: 0, lost: 0, doubled: 0, hung: 0, dishonest: 0 });
    expect(right + failed).toBe(tally.sent);
    // the faults came through, and many of them were cured
    expect(failed).toBeGreaterThan(0);
    expect(right).toBeGreaterThan(tally.sent / 4);
    await settled();
    expect(held() - before).toBeLessThan(GROWTH);
  });

  it("is seen to mix answers up where a server gives one request the values of another", async () => {
    const server = await startChaosServer();
    const gateway = await startGateway({
      yaml: `backends: {rest: {kind: oip, dialect: plain, endpoints: ["127.0.0.1:${server.port}"]}}
models: {line: {backend: rest}}`,
      kinds: [oip],
    });
    await until(() => isReady(gateway, "line"));
    let last: readonly number[] = [0, 0];
    // under the right id, so that nothing but the values tells it
    server.spoil(({ socket, x, id }) => {
      socket.write(httpAnswer(body({ x: last, id })));
      last = x;
    });
    const tally = openTally();
    const client = openChaosClient(gateway.port, tally, PATIENCE_MS);
    for (let n = 1; n <= 10; n += 1) await client.ask("line", n);
    client.close();
    expect([tally.right, tally.mixed]).toEqual([0, 10]);
    await gateway.close();
    await server.close();
  });
});

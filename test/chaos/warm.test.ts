// Endpoints that are new or have come back, with warmUp: they get work once they answer as the others did.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type ChaosGateway, openChaosGateway } from "../support/chaos.ts";
import { body, type ChaosServer, httpAnswer, type Spoil, startChaosServer } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** The values of another model under the right name. */
const otherValues: Spoil = ({ socket, x, id }) =>
  void socket.write(httpAnswer(body({ x: x.map((one) => one + 1), id })));

const warmUps = (gateway: ChaosGateway) =>
  gateway.env.events
    .map((event) => (event.type === "warm-up" ? event.result : undefined))
    .filter((one) => one !== undefined);

const inputsOf = (server: ChaosServer, from: number) => server.seen.slice(from).map(([first]) => first);

async function open(
  backend: string,
): Promise<{ readonly old: ChaosServer; readonly other: ChaosServer; readonly gateway: ChaosGateway }> {
  const [old, other] = [await startChaosServer(), await startChaosServer()];
  opened.push(old, other);
  const gateway = await openChaosGateway({ ports: [old.port, other.port], backend });
  opened.push(gateway);
  await until(() => warmUps(gateway).length === 2);
  return { old, other, gateway };
}

/** Takes the server away and lets it come back. */
async function goAndReturn(gateway: ChaosGateway, server: ChaosServer, as: Spoil | undefined): Promise<void> {
  server.health(503);
  await gateway.checksUntil(server.port, "unhealthy");
  server.spoil(as);
  server.health(200);
  await gateway.checksUntil(server.port, "healthy");
}

describe("an endpoint that has come back", () => {
  it("is asked what was recorded, in its order, before it gets work", async () => {
    const { old, other, gateway } = await open(", warmUp: {requests: 3}");
    for (let n = 0; n < 8; n += 1) await gateway.ask([n]);
    const before = old.asks;
    await goAndReturn(gateway, old, undefined);
    await until(() => warmUps(gateway).length === 3);
    expect(warmUps(gateway).at(-1)).toBe("warm");
    // the three that were recorded first: a newer one takes an older one's place every ten seconds
    expect(inputsOf(old, before)).toEqual([0, 1, 2]);
    const [mine, others] = [old.asks, other.asks];
    for (let n = 0; n < 8; n += 1) expect((await gateway.ask([n])).y).toEqual([3 * n + 1]);
    expect([old.asks > mine, other.asks > others]).toEqual([true, true]);
  });

  it("gets no work while it answers otherwise than was recorded, is tried again, and gets work when it is right", async () => {
    const { old, gateway } = await open(", warmUp: {requests: 3}");
    for (let n = 0; n < 4; n += 1) await gateway.ask([n]);
    await goAndReturn(gateway, old, otherValues);
    await until(() => warmUps(gateway).at(-1) === "failed");
    const reason = gateway.env.lines.findLast(({ message }) => message.startsWith("endpoint gets no work"));
    expect(reason?.fields).toMatchObject({
      model: "line",
      reason: 'it answers otherwise than was recorded: output "y" differs from value 0 on',
    });
    const before = old.asks;
    for (let n = 0; n < 8; n += 1) expect((await gateway.ask([n])).y).toEqual([3 * n + 1]);
    expect(old.asks).toBe(before);
    old.spoil(undefined);
    const failed = warmUps(gateway).length;
    await until(async () => {
      await gateway.check();
      return warmUps(gateway).length > failed;
    });
    expect(warmUps(gateway).at(-1)).toBe("warm");
    for (let n = 0; n < 8; n += 1) expect((await gateway.ask([n])).y).toEqual([3 * n + 1]);
    expect(old.asks).toBeGreaterThan(before);
  });

  it("gets the requests of the file first, and none without the word", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-warm-"));
    const file = join(folder, "warm.yaml");
    await writeFile(file, "- {model: line, inputs: [{name: x, datatype: INT32, shape: [2], data: [77, 78]}]}\n");
    const { old, other, gateway } = await open(`, warmUp: {file: ${file}}`);
    expect(warmUps(gateway)).toEqual(["warm", "warm"]);
    expect([inputsOf(old, 0), inputsOf(other, 0)]).toEqual([[77], [77]]);
    await rm(folder, { recursive: true });
    const plain = await startChaosServer();
    opened.push(plain);
    opened.push(await openChaosGateway({ ports: [plain.port] }));
    expect(plain.asks).toBe(0);
  });

  it("gets work all the same where it is the only one: health is not believed then", async () => {
    const only = await startChaosServer();
    opened.push(only);
    const gateway = await openChaosGateway({ ports: [only.port], backend: ", warmUp: {requests: 2}" });
    opened.push(gateway);
    await until(() => warmUps(gateway).length === 1);
    await gateway.ask([1]);
    await goAndReturn(gateway, only, otherValues);
    await until(() => warmUps(gateway).at(-1) === "failed");
    expect((await gateway.ask([1])).status).toBe(200);
  });
});

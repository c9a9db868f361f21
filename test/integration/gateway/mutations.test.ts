// Ten thousand mutated requests: each gets a right answer or a clear refusal, and nobody else is harmed.

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { invalid } from "../../../core/error.ts";
import type { InferResponse } from "../../../core/request.ts";
import type { Service } from "../../../core/service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { chance, demoFile, startDemo } from "../../support/gateway-demo.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { judge, type Model } from "../../support/gateway-judge.ts";
import { mutated, type Shot } from "../../support/gateway-mutations.ts";
import type { Plain } from "../../support/gateway-oip.ts";
import { openReference, type Reference } from "../../support/gateway-reference.ts";
import { ask, keptConnections } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";

/** More for a soak: SLUICE_TEST_MUTATIONS=1000000. */
const COUNT = Number(process.env.SLUICE_TEST_MUTATIONS ?? 10_000);
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20_260_101);
const CLIENTS = 24;

let reference: Reference;
let gateway: TestGateway | undefined;

beforeAll(() => {
  reference = openReference();
});

afterAll(() => reference.close());

afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const model: Model = (name, version, inputs) => reference.run(demoFile(name as "iris", version), inputs);

interface Report {
  readonly statuses: Record<number, number>;
  readonly faults: string[];
}

/** Sends so many, many at once, and judges each by its own question. */
async function storm(port: number, count: number): Promise<Report> {
  const agent = keptConnections(CLIENTS);
  const report: Report = { statuses: {}, faults: [] };
  let next = 0;
  const client = async () => {
    while (next < count) {
      const serial = next++;
      const shot = mutated(chance(SEED + serial));
      const fault = await shoot(port, { shot, agent, report, id: `shot-${serial}` });
      if (fault !== undefined) report.faults.push(`seed ${SEED + serial} (${shot.story.join(", ")}): ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return report;
}

interface Aim {
  readonly shot: Shot;
  readonly agent: ReturnType<typeof keptConnections>;
  readonly report: Report;
  readonly id: string;
}

async function shoot(port: number, { shot, agent, report, id }: Aim): Promise<string | undefined> {
  const { method, path, body } = shot;
  try {
    const answer = await ask({ port, agent, method, path, body, headers: { ...shot.headers, "x-request-id": id } });
    report.statuses[answer.status] = (report.statuses[answer.status] ?? 0) + 1;
    if (answer.headers["x-request-id"] !== id) return `x-request-id ${answer.headers["x-request-id"]} for ${id}`;
    return await judge(shot, answer, model);
  } catch (error) {
    return `no answer: ${error}`;
  }
}

test(`${COUNT} mutated requests get a right 200 or a clear 4xx, and afterwards all is as before`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  gateway = await startDemo();
  const { port, metrics } = gateway;
  const { statuses, faults } = await storm(port, COUNT);
  expect(faults.slice(0, 10), JSON.stringify(statuses)).toEqual([]);
  // both sides of the line are really tried
  expect(statuses[200]).toBeGreaterThan(COUNT / 10);
  expect(statuses[400]).toBeGreaterThan(COUNT / 4);
  const after = await metrics();
  expect(Object.values(statuses).reduce((sum, count) => sum + count)).toBe(COUNT);
  for (const code of ["internal", "bad-backend", "unavailable", "overloaded"]) {
    expect([code, after.sum("sluice_requests_total", { code })]).toEqual([code, 0]);
  }
  expect([after.sum("sluice_in_flight_bytes"), after.sum("sluice_in_flight_requests")]).toEqual([0, 0]);
  expect(after.sum("sluice_workers_lost_total")).toBe(0);
  const fresh = await storm(port, 1);
  expect(fresh.faults).toEqual([]);
});

/** The demo models through the reference, with the answers that `spoil` makes of the right ones. */
async function stormOver(spoil: (reply: InferResponse, serial: number) => InferResponse): Promise<Report> {
  const fake = fakeBackend();
  let serial = 0;
  for (const [name, version] of [
    ["add_sub", "1"],
    ["iris", "1"],
    ["digits", "1"],
    ["digits", "2"],
    ["language", "1"],
  ] as const) {
    const service: Service = async ({ inputs, outputs }) => {
      const all = await reference.run(demoFile(name, version), inputs as readonly Plain[]);
      const wanted = outputs?.map((output) => all.find((one) => one.name === output.name)) ?? all;
      if (wanted.some((one) => one === undefined)) throw invalid("no such output");
      return spoil(wholeReply(name, version, { outputs: wanted as Plain[] }), serial++);
    };
    fake.put(name, version, { service });
  }
  gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
  return storm(gateway.port, 300);
}

test("the judge reports one bit that is wrong in one answer", async () => {
  let spoilt = 0;
  const { faults } = await stormOver((reply, serial) => {
    const [first, ...rest] = reply.outputs;
    if (serial < 20 || first?.datatype !== "INT32" || first.data.byteLength === 0 || spoilt > 0) return reply;
    spoilt += 1;
    const data = Uint8Array.from(first.data);
    data[0] = data[0]! ^ 1;
    return { ...reply, outputs: [{ ...first, data }, ...rest] };
  });
  expect(spoilt).toBe(1);
  expect(faults.filter((fault) => fault.includes("is not what the model gives"))).toHaveLength(1);
});

test("the judge reports an answer that is the one before, and a server that fails", async () => {
  let before: InferResponse | undefined;
  const { faults } = await stormOver((reply, serial) => {
    if (serial === 30) throw new TypeError("undefined is not a function");
    const stale = serial === 40 ? before : undefined;
    before = reply;
    return stale ?? reply;
  });
  expect(faults.filter((fault) => fault.includes("status 500: "))).not.toHaveLength(0);
  expect(faults.filter((fault) => /is not what the model gives|was asked|outputs were asked/.test(fault))).toHaveLength(
    1,
  );
});

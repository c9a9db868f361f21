// A thousand clients at once: each gets the answer to its own question, or is told to come again.

import { afterEach, expect, test } from "vitest";
import type { InferResponse } from "../../../core/request.ts";
import type { Service } from "../../../core/service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { crowd } from "../../support/gateway-crowd.ts";
import { startDemo } from "../../support/gateway-demo.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { elements, type Plain, plain } from "../../support/gateway-oip.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;

afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

test.each([
  ["that fits them all", ", queue: 1000"],
  ["of the default length", ""],
])("1,000 concurrent clients get their own answers with a queue %s", async (_what, options) => {
  gateway = await startDemo(options);
  const report = await crowd({ port: gateway.port, clients: 1000, rounds: 3 });
  expect(report.wrong).toEqual([]);
  expect(report.answered).toBe(3000);
  if (options !== "") expect(report.refused).toBe(0);
  const { sum } = await gateway.metrics();
  expect(sum("sluice_requests_total", { model: "add_sub", code: "ok" })).toBe(3000);
  expect(sum("sluice_requests_total", { model: "add_sub", code: "overloaded", origin: "gateway" })).toBe(
    report.refused,
  );
  expect(sum("sluice_requests_total")).toBe(3000 + report.refused);
  expect([sum("sluice_in_flight_bytes"), sum("sluice_in_flight_requests")]).toEqual([0, 0]);
});

const addSub: Service = async ({ inputs }) => {
  const [a = [], b = []] = inputs.map((input) => elements(input as Plain) as number[]);
  const { shape } = inputs[0]!;
  return wholeReply("add_sub", "1", {
    outputs: [
      plain(
        "OUTPUT0",
        "INT32",
        shape,
        a.map((x, i) => (x + b[i]!) | 0),
      ),
      plain(
        "OUTPUT1",
        "INT32",
        shape,
        a.map((x, i) => (x - b[i]!) | 0),
      ),
    ],
  });
};

/** Two calls that wait at the same time get each other's outputs, once in every `every` pairs. */
function swapping(every: number): Service {
  let waiting: { reply: InferResponse; resolve(reply: InferResponse): void } | undefined;
  let pairs = 0;
  return async (request, call) => {
    const mine = (await addSub(request, call)) as InferResponse;
    const other = waiting;
    if (other === undefined) return new Promise((resolve) => (waiting = { reply: mine, resolve }));
    waiting = undefined;
    pairs += 1;
    if (pairs % every !== 0) {
      other.resolve(other.reply);
      return mine;
    }
    other.resolve(mine);
    return other.reply;
  };
}

async function crowdOver(service: Service) {
  const fake = fakeBackend();
  fake.put("add_sub", "1", { service });
  gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
  return crowd({ port: gateway.port, clients: 40, rounds: 5 });
}

test("the checker finds nothing wrong with a sound model", async () => {
  expect(await crowdOver(addSub)).toEqual({ answered: 200, refused: 0, wrong: [] });
});

test("the checker reports a model that swaps one pair of concurrent answers in fifty", async () => {
  const { wrong } = await crowdOver(swapping(50));
  expect(wrong).toHaveLength(4);
  expect(wrong[0]).toMatch(/^\d+\/\d+: the answer is not that of its input$/);
});

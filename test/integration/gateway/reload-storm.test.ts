// Ten changes of a config under 500 requests at once, over HTTP and gRPC: none fails, none meets a version that was not in force.

import { afterEach, describe, expect, it, test } from "vitest";
import { z } from "zod";
import type { Backend, BackendKind, Endpoint } from "../../../core/backend.ts";
import { fixedPool } from "../../../core/backend.ts";
import { InferError } from "../../../core/error.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, inferAnswer, inferMessage } from "../../support/gateway-grpc.ts";
import { ask, keptConnections } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ASKERS = 500;
/** Enough to meet a defect. */
const FEW = 50;
const CHANGES = 10;
/**
 * Longer than a storm: once requests stand, the last come is let in first, so that on a busy machine the oldest of 500 who never
 * pause may wait until the others stop. `limits.lag` is longer still, which would let them down.
 */
const PATIENCE_MS = 90_000;

/** What a gateway that changes wrongly would do, for the tests of these tests. */
type Defect = "closes the old backend before its last answer" | "puts the fifth change in force too late";

/** A kind whose backends say their number, and answer nothing any longer once they are closed. */
function numbered(defect?: Defect): BackendKind<{ n: number }> {
  const fake = fakeBackend("numbered");
  fake.put("m", "1", { service: async () => wholeReply("m", "1") });
  const opened: { closed: boolean }[] = [];
  return {
    ...fake.kind,
    options: z.strictObject({ n: z.int() }),
    async open({ n }, context): Promise<Backend> {
      const backend = await fake.kind.open({}, context);
      const life = { closed: false };
      if (defect === "closes the old backend before its last answer") for (const old of opened) old.closed = true;
      opened.push(life);
      const by = defect === "puts the fifth change in force too late" && n === 5 ? 4 : n;
      const endpoint: Endpoint = {
        ...(backend.endpoints.list()[0] as Endpoint),
        async infer() {
          // an answer takes a turn of the loop
          await new Promise((resolve) => setImmediate(resolve));
          if (life.closed) throw new InferError("unavailable", "closed");
          return { ...wholeReply("m", "1"), parameters: new Map([["by", by]]) };
        },
      };
      const close = async () => {
        life.closed = true;
      };
      return { ...backend, endpoints: fixedPool([endpoint]), close };
    },
  };
}

const configOf = (n: number) => `listen: {http: "127.0.0.1:0", grpc: "127.0.0.1:0", admin: "127.0.0.1:0"}
limits: {lag: 2m}
backends: {a: {kind: numbered, n: ${n}}, b: {kind: numbered, n: 99}}
models: {m: {versions: {1: {backend: a, model: m, version: 1}}}, same: {backend: b, model: m}}
`;

async function start(defect?: Defect): Promise<TestGateway> {
  const gateway = await startGateway({ yaml: configOf(0), kinds: [numbered(defect)] });
  closers.push(() => gateway.close());
  return gateway;
}

/** Asks once, and tells by which backend it was answered; for anything but an answer what it was. */
type Asker = () => Promise<number | string>;

const FRONTS: Readonly<Record<string, (gateway: TestGateway) => Asker>> = {
  HTTP(gateway) {
    const agent = keptConnections(ASKERS + 1);
    closers.push(() => agent.destroy());
    return async () => {
      const answer = await gateway.ask({
        path: "/v2/models/m/infer",
        body: '{"inputs":[]}',
        agent,
        patienceMs: PATIENCE_MS,
      });
      if (answer.status !== 200) return `${answer.status} ${answer.body.toString().slice(0, 200)}`;
      return answer.json<{ readonly parameters: { readonly by: number } }>().parameters.by;
    };
  },
  gRPC(gateway) {
    const callers = Array.from({ length: 8 }, () => grpcCaller(gateway.grpcPort));
    for (const caller of callers) closers.push(caller.close);
    const messages = [inferMessage({ model: "m", inputs: [] })];
    let turn = 0;
    return async () => {
      turn += 1;
      const answer = await (callers[turn % callers.length] as GrpcCaller).ask({ method: "ModelInfer", messages });
      if (answer.code !== 0) return `${answer.code} ${answer.details}`;
      return Number(inferAnswer(answer.messages[0]).parameters.get("by"));
    };
  },
};

/** Ten changes while all askers ask: what went wrong, by kind, and the changes that the first request after them did not meet. */
async function storm(gateway: TestGateway, answeredBy: Asker, count = ASKERS) {
  // what has been asked for, and what has been accepted: a request may meet all that lie between
  let asked = 0;
  let accepted = 0;
  let stop = false;
  let [wrong, answered] = [0, 0];
  const failed: Record<string, number> = {};
  const stale: number[] = [];
  const asker = async () => {
    while (!stop) {
      const from = accepted;
      const by = await answeredBy().catch(String);
      answered += 1;
      if (typeof by === "string") failed[by] = (failed[by] ?? 0) + 1;
      else if (!(by >= from && by <= asked)) wrong += 1;
    }
  };
  const askers = Array.from({ length: count }, asker);
  try {
    for (let i = 1; i <= CHANGES; i += 1) {
      const before = answered;
      while (answered < before + count) await new Promise((resolve) => setImmediate(resolve));
      asked = i;
      const change = await ask({ port: gateway.adminPort, method: "POST", path: "/admin/config", body: configOf(i) });
      expect(change.status).toBe(200);
      accepted = i;
      if ((await answeredBy()) !== i) stale.push(i);
    }
  } finally {
    stop = true;
  }
  await Promise.all(askers);
  expect(answered).toBeGreaterThan(count * CHANGES);
  return { failed, wrong, stale };
}

describe.each(Object.entries(FRONTS))("ten changes under 500 requests at once over %s", (_name, open) => {
  it("fail none, let none meet a wrong version, and are in force for the first request after each", async () => {
    const gateway = await start();
    expect(await storm(gateway, open(gateway))).toEqual({ failed: {}, wrong: 0, stale: [] });
  }, 120_000);

  it("show a backend that is closed before its last answer, were there one", async () => {
    const gateway = await start("closes the old backend before its last answer");
    const { failed, wrong } = await storm(gateway, open(gateway), FEW);
    expect(Object.keys(failed).join()).toContain("closed");
    expect(wrong).toBe(0);
  }, 120_000);

  it("show a change that comes into force too late, were there one", async () => {
    const gateway = await start("puts the fifth change in force too late");
    const { failed, wrong, stale } = await storm(gateway, open(gateway), FEW);
    expect({ failed, stale }).toEqual({ failed: {}, stale: [5] });
    expect(wrong).toBeGreaterThan(0);
  }, 120_000);
});

test("a change is in force when it is answered, without a wait", async () => {
  const gateway = await start();
  const answeredBy = FRONTS.HTTP!(gateway);
  const took: number[] = [];
  for (let i = 1; i <= CHANGES; i += 1) {
    const { changes } = gateway.running;
    const done = await changes!.put(configOf(i), { who: "test", why: "" });
    const accepted = performance.now();
    expect(done.ok).toBe(true);
    expect(await answeredBy()).toBe(i);
    took.push(performance.now() - accepted);
  }
  // the whole way of a request included; the least of ten, as this machine does other things too
  expect(Math.min(...took)).toBeLessThan(10);
});

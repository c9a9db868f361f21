// Figure n: how much is answered in time when far more is asked than fits.

import type { Effort, Figure, Finding, Goal, Row } from "../figure.ts";
import { type CrowdFacts, simulateCrowd } from "../goodput-simulated.ts";
import { post } from "../http-bytes.ts";
import type { LoadFacts } from "../load.ts";
import { type OpenSummary, statusesOf, summaryOf } from "../open-facts.ts";
import type { TimedAsk } from "../open-load.ts";
import {
  coreCells,
  type Seen,
  type Sides,
  type SlottedModel,
  sendOpen,
  startFront,
  startSlotted,
  timedAsk,
  untilIdle,
  type Way,
  wayOf,
} from "../open-place.ts";
import { haproxyPeer, nginxPeer, withPeers } from "../peers.ts";
import { CLIENT_CORE, SERVER_CORE, type Starter, withPrograms } from "../programs.ts";

const ENDPOINTS = 4;
const SLOTS = 8;
const RUN_MS = 40;
/** Requests a second. */
const CAPACITY = (ENDPOINTS * SLOTS * 1000) / RUN_MS;
/** Mixed evenly: one run and a little, up to a second. */
const DEADLINES_MS = [75, 150, 300, 1000];
/** Times the capacity. The best goodput of all of them is an arm's own peak. */
const LOADS = [0.9, 1.1, 2, 10] as const;
/** How much of the own peak is left. */
const GOALS: Readonly<Record<number, number>> = { 2: 0.95, 10: 0.9 };
/** What does not count, so that limits have found their level, and what does. */
const SPAN = { warmMs: 3000, measureMs: 4000 };
/** What is compiled only as it is used is used before; who sheds nothing would only fill the memory of all. */
const WARM_UP = [
  { load: 1, forMs: 3000, all: true },
  { load: 10, forMs: 3000, all: false },
] as const;
const SEED = 13;
/** Closed loop, against a handler that refuses everything. */
const REFUSING = { connections: 32, warmMs: 1500, measureMs: 1500 };

/** As many as run, and as many again that wait. */
const PLACES = 2 * ENDPOINTS * SLOTS;

const PEERS = [
  nginxPeer("nginx limit_conn", {
    http: "limit_conn_zone $server_name zone=all:1m;",
    upstream: "least_conn;",
    server: `limit_conn all ${PLACES}; limit_conn_status 503;`,
  }),
  haproxyPeer("HAProxy maxconn", { backend: ["balance leastconn", "timeout queue 75ms"], server: `maxconn ${SLOTS}` }),
];

const ADAPTIVE = "adaptive";
const FIXED = "fixed";
const OURS = [
  { name: "gateway, adaptive limit", model: ADAPTIVE },
  { name: "gateway, limit of 8", model: FIXED },
  { name: "gateway, no shedding", model: "none" },
] as const;

/** Who may wait at each endpoint. */
const QUEUE = 256;

const MODELS: Readonly<Record<string, SlottedModel>> = {
  adaptive: { backend: { limit: { concurrency: "adaptive", queue: QUEUE } } },
  fixed: { backend: { limit: { concurrency: SLOTS, queue: QUEUE } } },
  none: { model: { deadline: false }, backend: { limits: { inFlight: 65_536 } } },
};

interface Arm {
  readonly way: Way;
  readonly asks: readonly TimedAsk[];
  /** Whether it is held to the goals. */
  readonly sheds: boolean;
}

export const goodput: Figure = {
  letter: "n",
  name: "goodput",
  question:
    "At twice and ten times what fits, how much is answered in time, by the best that was answered at any load?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      say("bare fastify that refuses everything");
      const refusals = await measureRefusals(start, effort);
      const stub = await startSlotted(start, new Array(ENDPOINTS).fill({ slots: SLOTS, delayMs: RUN_MS }));
      const ports = await stub.ask<readonly number[]>("ports");
      const front = await startFront(start, ports, MODELS);
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const asksOf = (model?: string) => DEADLINES_MS.map((deadlineMs) => timedAsk(deadlineMs, model));
      const ours = OURS.map(({ name, model }): Arm => {
        return { way: wayOf(name, front), asks: asksOf(model), sheds: model === ADAPTIVE || model === FIXED };
      });
      return withPeers({ peers: PEERS, endpoints: ports, say }, async (peers) => {
        const arms = [...ours, ...peers.map((way): Arm => ({ way, asks: asksOf(), sheds: false }))];
        say("warming up");
        for (const { asks, sheds } of ours) {
          const phases = WARM_UP.filter(({ all }) => all || sheds).map(({ load, forMs }) => {
            return { forMs: forMs * effort.scale, perSecond: load * CAPACITY, asks };
          });
          await client.ask("openLoad", { port: front.port, seed: SEED, phases });
        }
        const measured = await measureAll({ client, stubs: [stub] }, { arms, say }, effort);
        say("simulated");
        return [findingOf(measured, refusals), await simulated()];
      });
    });
  },
};

/** Answers with 503 a second. */
async function measureRefusals(start: Starter, { scale }: Effort): Promise<number> {
  const echo = await start("programs/echo.ts", { core: SERVER_CORE });
  const client = await start("programs/client.ts", { core: CLIENT_CORE });
  const port = await echo.ask<number>("port");
  const headers = { "content-type": "application/octet-stream" };
  const requests = [post("/refused", { bytes: timedAsk(0).bytes, headers })];
  const { connections, warmMs, measureMs } = REFUSING;
  const load = { port, requests, connections, status: 503, warmMs: warmMs * scale, measureMs: measureMs * scale };
  const { perSecond } = await client.ask<LoadFacts>("load", load);
  await Promise.all([echo.stop(), client.stop()]);
  return perSecond;
}

interface Measured extends Seen {
  readonly arm: Arm;
  /** Times the capacity. */
  readonly load: number;
  readonly summary: OpenSummary;
  /** Answered in time, a second. */
  readonly goodput: number;
}

/** At each load the arms take turns. */
async function measureAll(
  sides: Sides,
  { arms, say }: { readonly arms: readonly Arm[]; say(line: string): void },
  effort: Effort,
): Promise<readonly Measured[]> {
  const [warmMs, measureMs] = [SPAN.warmMs * effort.scale, SPAN.measureMs * effort.scale];
  const measured: Measured[] = [];
  for (const load of LOADS) {
    say(`${load} times the capacity`);
    for (const arm of arms) {
      await untilIdle(sides.stubs);
      const phases = [{ forMs: warmMs + measureMs, perSecond: load * CAPACITY, asks: arm.asks }];
      const seen = await sendOpen(sides, arm.way, { seed: SEED, phases });
      const summary = summaryOf(seen.facts, { fromMs: warmMs, toMs: warmMs + measureMs });
      measured.push({ ...seen, arm, load, summary, goodput: (summary.inTime / measureMs) * 1000 });
    }
  }
  return measured;
}

function findingOf(measured: readonly Measured[], refusals: number): Finding {
  const arms = [...new Set(measured.map(({ arm }) => arm))];
  const goals = arms.filter(({ sheds }) => sheds).flatMap((arm) => goalsOf(measured, arm));
  return {
    title: `${ENDPOINTS} endpoints of ${SLOTS} slots and ${RUN_MS} ms (${CAPACITY} requests/s), deadlines of ${DEADLINES_MS.join(", ")} ms`,
    rows: arms.flatMap((arm) => measured.filter((one) => one.arm === arm).map((one) => rowOf(one, measured))),
    goals,
    notes: [
      `bare fastify answers ${Math.round(refusals)} requests a second with 503; ten times the capacity is ${Math.round((1000 * CAPACITY) / refusals) / 100} of that`,
      "an endpoint runs what has begun to its end, and not what its caller has left while it waited",
      "clients leave 100 ms after their deadline, and connect anew",
      ...measured.flatMap((one) => (one.void === undefined ? [] : [`${one.load} times: ${one.void}`])),
      ...measured
        .filter(({ load }) => load === LOADS.at(-1))
        .map(({ arm, load, facts }) => `${arm.way.name} at ${load} times: ${statusesOf(facts)}`),
    ],
  };
}

/** None where what it is held against does not count. */
function goalsOf(measured: readonly Measured[], arm: Arm): readonly Goal[] {
  const own = measured.filter((one) => one.arm === arm && one.void === undefined);
  return own.flatMap((one): readonly Goal[] => {
    const want = GOALS[one.load];
    if (want === undefined) return [];
    const what = `${arm.way.name} at ${one.load} times the capacity`;
    return [
      { what: `${what}: goodput / own peak`, want: { atLeast: want }, got: one.goodput / peakOf(measured, arm) },
      { what: `${what}: p99 of the accepted / deadline`, want: { atMost: 1 }, got: one.summary.p99OfDeadline },
    ];
  });
}

const LIMITS = [
  { name: OURS[0].name, limit: { concurrency: "adaptive", queue: QUEUE } },
  { name: OURS[1].name, limit: { concurrency: SLOTS, queue: QUEUE } },
] as const;

/** The same policies under a fake clock: what they do where no core is in the way. */
async function simulated(): Promise<Finding> {
  const shape = { endpoints: ENDPOINTS, slots: SLOTS, runMs: RUN_MS, deadlinesMs: DEADLINES_MS, ...SPAN };
  const seen: { readonly name: string; readonly load: number; readonly facts: CrowdFacts }[] = [];
  for (const { name, limit } of LIMITS) {
    for (const load of LOADS) {
      seen.push({ name, load, facts: await simulateCrowd({ ...shape, limit, perSecond: load * CAPACITY }) });
    }
  }
  const ofPeak = (one: (typeof seen)[number]) =>
    one.facts.goodput / Math.max(1, ...seen.filter(({ name }) => name === one.name).map(({ facts }) => facts.goodput));
  return {
    title: "the same under a fake clock",
    rows: seen.map((one) => ({
      name: `${one.name}, ${one.load} times`,
      cells: {
        "in time/s": one.facts.goodput,
        "of own peak": ofPeak(one),
        "p99 / deadline": one.facts.p99OfDeadline,
      },
    })),
    goals: seen.flatMap((one): readonly Goal[] => {
      const want = GOALS[one.load];
      const what = `${one.name} at ${one.load} times the capacity: goodput / own peak`;
      return want === undefined ? [] : [{ what, want: { atLeast: want }, got: ofPeak(one) }];
    }),
    notes: [],
  };
}

function peakOf(measured: readonly Measured[], arm: Arm): number {
  return Math.max(1, ...measured.filter((one) => one.arm === arm).map((one) => one.goodput));
}

function rowOf(one: Measured, measured: readonly Measured[]): Row {
  const { arm, load, summary, goodput: good, cores } = one;
  return {
    name: `${arm.way.name}, ${load} times`,
    cells: {
      "in time/s": good,
      "of own peak": good / peakOf(measured, arm),
      "accepted/s": (good * summary.answered) / Math.max(1, summary.inTime),
      "p99 / deadline": summary.p99OfDeadline,
      ...coreCells(cores),
    },
  };
}

// Figure l: one endpoint of four becomes ten times slower for a while, beside who knows it at once.

import type { Effort, Figure, Finding, Goal, Row } from "../figure.ts";
import { type OpenSummary, type Span, summaryOf } from "../open-facts.ts";
import type { OpenFacts } from "../open-load.ts";
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
import { CLIENT_CORE, withPrograms } from "../programs.ts";
import { COLUMN_MS, type Script } from "../slots.ts";
import { type SlowScene, simulateSlow } from "../slow-simulated.ts";

const ENDPOINTS = 4;
const SLOTS = 8;
const RUN_MS = 40;
const SLOWER = 10;
/** Of the capacity of 800 requests a second. */
const LOAD = 0.6;
const PER_SECOND = (LOAD * ENDPOINTS * SLOTS * 1000) / RUN_MS;
/** Before, while and after one endpoint is slow. */
const SPANS_MS = [10_000, 10_000, 12_000] as const;
/** All models in turn. */
const WARM_MS = 8000;
const DEADLINE_MS = 10_000;
/** The slow one's share is looked at over so long. */
const WINDOW_MS = 1000;
const BACK = 0.9;
const SEED = 11;

const SLOW = ENDPOINTS - 1;

const PEERS = [
  nginxPeer("nginx least_conn", { upstream: "least_conn;" }),
  haproxyPeer("HAProxy leastconn", { backend: ["balance leastconn"] }),
];

/** Who knows the true speeds: the fewest in hand by the true weight, over weights that are changed with the endpoint. */
const MODELS = (endpoints: readonly string[]): Readonly<Record<string, SlottedModel>> => ({
  even: { model: { balance: { by: "least-outstanding", slowStart: "0s" } } },
  known: {
    model: { balance: { by: "least-outstanding", slowStart: "0s" } },
    backend: { endpoints: endpoints.map((address, i) => ({ address, weight: i === SLOW ? 1 : SLOWER })) },
  },
  usual: {},
  p2c: { model: { balance: { by: "p2c", slowStart: "0s" } } },
});

/** The gateway's arms: the model that is asked before, while and after. */
const OURS = [
  { name: "the true weights known", models: ["even", "known", "even"] },
  { name: "least-time", models: ["usual", "usual", "usual"] },
  { name: "p2c", models: ["p2c", "p2c", "p2c"] },
] as const;

interface Arm {
  readonly way: Way;
  /** Whom it asks in each span; of a peer nobody by name. */
  readonly models: readonly string[];
}

export const slow: Figure = {
  letter: "l",
  name: "slow",
  question:
    "With one endpoint of four ten times slower for a while, how long do callers wait, and when has it its share again?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      const stub = await startSlotted(start, new Array(ENDPOINTS).fill({ slots: SLOTS, delayMs: RUN_MS }));
      const ports = await stub.ask<readonly number[]>("ports");
      const front = await startFront(start, ports, MODELS(ports.map((port) => `127.0.0.1:${port}`)));
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const ours = OURS.map(({ name, models }): Arm => ({ way: wayOf(name, front), models }));
      return withPeers({ peers: PEERS, endpoints: ports, say }, async (peers) => {
        say("warming up");
        const asks = ["even", "known", "usual", "p2c"].map((model) => timedAsk(DEADLINE_MS, model));
        const phase = { forMs: WARM_MS * effort.scale, perSecond: PER_SECOND, asks };
        await client.ask("openLoad", { port: front.port, seed: SEED, phases: [phase] });
        const measured: Measured[] = [];
        for (const arm of [...ours, ...peers.map((way): Arm => ({ way, models: [] }))]) {
          say(arm.way.name);
          await untilIdle([stub]);
          measured.push(await measureArm({ client, stubs: [stub] }, arm, effort));
        }
        say("simulated");
        return [findingOf(measured, effort), await simulated()];
      });
    });
  },
};

interface Measured extends Seen {
  readonly name: string;
  readonly whole: OpenSummary;
  readonly slow: OpenSummary;
  /** Of all that was sent while it was slow. */
  readonly slowShare: number;
  /** From the end of its slowness until it has nine tenths of its former share again; the whole span after where it never has. */
  readonly backMs: number;
}

async function measureArm(sides: Sides, { way, models }: Arm, effort: Effort): Promise<Measured> {
  const spans = spansOf(effort);
  const [, during, after] = spans;
  const startAt = Date.now() + 200;
  const [stub] = sides.stubs;
  const script: Script = {
    startAt,
    changes: [
      { atMs: during.fromMs, endpoint: SLOW, delayMs: RUN_MS * SLOWER },
      { atMs: after.fromMs, endpoint: SLOW, delayMs: RUN_MS },
    ],
  };
  await stub?.ask("script", script);
  const phases = spans.map(({ fromMs, toMs }, i) => ({
    forMs: toMs - fromMs,
    perSecond: PER_SECOND,
    asks: [timedAsk(DEADLINE_MS, models[i])],
  }));
  const seen = await sendOpen(sides, way, { startAt, seed: SEED, phases });
  const timeline = (await stub?.ask<readonly (readonly number[])[]>("timeline")) ?? [];
  return { ...seen, name: way.name, ...wholeAndSlow(seen.facts, spans), ...sharesOf(timeline, spans) };
}

type Spans = readonly [before: Span, during: Span, after: Span];

function spansOf({ scale }: Effort): Spans {
  const [before, during, after] = SPANS_MS.map((ms) => ms * scale) as [number, number, number];
  return [
    { fromMs: 0, toMs: before },
    { fromMs: before, toMs: before + during },
    { fromMs: before + during, toMs: before + during + after },
  ];
}

function wholeAndSlow(facts: OpenFacts, [, during, after]: Spans) {
  return { whole: summaryOf(facts, { fromMs: 0, toMs: after.toMs }), slow: summaryOf(facts, during) };
}

function sharesOf(timeline: readonly (readonly number[])[], [before, during, after]: Spans) {
  const share = ({ fromMs, toMs }: Span) => {
    const counts = timeline.map((columns) => sum(columns.slice(fromMs / COLUMN_MS, toMs / COLUMN_MS)));
    return (counts[SLOW] ?? 0) / Math.max(1, sum(counts));
  };
  const usual = share({ fromMs: before.toMs / 2, toMs: before.toMs });
  let toMs = after.fromMs + COLUMN_MS;
  while (toMs < after.toMs && share({ fromMs: Math.max(after.fromMs, toMs - WINDOW_MS), toMs }) < BACK * usual) {
    toMs += COLUMN_MS;
  }
  return { slowShare: share(during), backMs: toMs - after.fromMs };
}

function findingOf(measured: readonly Measured[], effort: Effort): Finding {
  const [known, ours] = measured;
  const voids = measured.flatMap((one) => one.void ?? []);
  const goals: readonly Goal[] = [
    {
      what: "p99 of least-time / who knows the true weights",
      want: { atMost: 1.1 },
      got: ratioOf(ours?.whole, known?.whole),
    },
    { what: "seconds until 90 % of its share", want: { atMost: 10 }, got: (ours?.backMs ?? 0) / 1000 },
  ];
  return {
    title: `${ENDPOINTS} endpoints of ${SLOTS} slots and ${RUN_MS} ms, ${PER_SECOND} requests/s; one takes ${RUN_MS * SLOWER} ms for ${(SPANS_MS[1] * effort.scale) / 1000} s`,
    rows: measured.map(rowOf),
    goals: known?.void === undefined && ours?.void === undefined ? goals : [],
    notes: [
      "latency counts from the time at which a request was to be sent; who knows the true weights changes them with the endpoint",
      `while it is slow, p99 of least-time is ${ratioOf(ours?.slow, known?.slow).toFixed(2)} of that of who knows`,
      "one round of each arm, one after the other",
      ...voids,
    ],
  };
}

/** The same scene under a fake clock: it says what the balancers do where no machine is in the way. */
async function simulated(): Promise<Finding> {
  const scene: SlowScene = {
    endpoints: ENDPOINTS,
    slots: SLOTS,
    runMs: RUN_MS,
    slower: SLOWER,
    perSecond: PER_SECOND,
    spansMs: SPANS_MS,
  };
  const names = ["known", "least-time", "peak-ewma", "least-outstanding", "p2c"] as const;
  const facts = await Promise.all(names.map((by) => simulateSlow(scene, by)));
  const [known, ours] = facts;
  const ratio = (ours?.p99Ms ?? 0) / (known?.p99Ms ?? 1);
  return {
    title: "the same under a fake clock",
    rows: names.map((name, i) => ({
      name: name === "known" ? OURS[0].name : name,
      cells: {
        "p50 ms": facts[i]?.p50Ms ?? 0,
        "p99 ms": facts[i]?.p99Ms ?? 0,
        "p99 ms while slow": facts[i]?.p99SlowMs ?? 0,
      },
    })),
    goals: [{ what: "p99 of least-time / who knows the true weights", want: { atMost: 1.1 }, got: ratio }],
    notes: [],
  };
}

function rowOf({ name, whole, slow: during, slowShare, backMs, cores }: Measured): Row {
  return {
    name,
    cells: {
      "p50 ms": whole.p50Ms,
      "p99 ms": whole.p99Ms,
      "p99 ms while slow": during.p99Ms,
      "share of the slow one": slowShare,
      "back after s": backMs / 1000,
      "not answered": whole.sent - whole.answered,
      ...coreCells(cores),
    },
  };
}

function ratioOf(ours: OpenSummary | undefined, known: OpenSummary | undefined): number {
  return (ours?.p99Ms ?? 0) / (known?.p99Ms ?? 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

// Figure s: what all policies together cost a request that none of them can help.

import { cpuSeconds } from "../cpu.ts";
import type { Effort, Figure, Finding, Row } from "../figure.ts";
import type { GatewaySetup } from "../gateway.ts";
import { type Arm, type Comparison, compare } from "../harness.ts";
import { binaryBody, post } from "../http-bytes.ts";
import type { LoadFacts } from "../load.ts";
import { inputFor, modelRepository, models } from "../models.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import { spread } from "../stats.ts";
import { warmUp } from "../warm-up.ts";

const { small } = models;
/** One caller: batches are of one, at a free slot. Several: what a request takes of the core. */
const CALLERS = [1, 8];
const SPAN = { warmMs: 300, measureMs: 1500 };
const WARM_MS = 6000;
const US = 1_000_000;
/** More than are sent in a span; no other span sends the same. */
const DIFFERENT = 12_288;
const CACHE = "64KiB";

const NONE = { backend: "local", deadline: false };
const BRANCH = { canary: { stable: "1", candidate: "next", percent: 5, unit: { header: "x-user" } } };
const ALL = {
  backend: "local",
  labels: { next: 1 },
  route: { rules: [{ when: { header: { "x-force": "1" } }, to: "1" }, { to: { fallback: [BRANCH, "next"] } }] },
  timeout: "10s",
  cache: { maxBytes: CACHE },
  deadline: true,
  limit: { rate: "1000000/s", by: "peer", concurrency: 64 },
  batch: true,
  hedge: true,
  retry: { attempts: 2, budget: "20%" },
};

const SETUPS = [
  { name: "no policies", words: NONE },
  { name: "all policies", words: ALL },
] as const;

interface Served {
  readonly name: string;
  readonly program: Program;
  readonly port: number;
}

export const stack: Figure = {
  letter: "s",
  name: "stack",
  question: "What do all policies cost a request that misses the cache and finds a free slot?",
  measure(effort, say) {
    const repository = modelRepository([small]);
    return withPrograms(async (start) => {
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const served: Served[] = [];
      for (const { name, words } of SETUPS) {
        const input: GatewaySetup = { repository, log: "info", models: { [small.name]: words } };
        const program = await start("programs/served.ts", { core: SERVER_CORE, input, mute: true });
        served.push({ name, program, port: await program.ask<number>("port") });
      }
      say("warming up");
      for (const { port } of served) {
        await warmUp({ client, port }, effort);
        // those repeat: the way of a miss is code of its own
        const load = {
          port,
          requests: differentRequests(0),
          connections: 8,
          warmMs: 0,
          measureMs: WARM_MS * effort.scale,
        };
        await client.ask<LoadFacts>("load", load);
      }
      const findings: Finding[] = [];
      let turn = 0;
      const nextTurn = () => {
        turn += 1;
        return turn;
      };
      for (const callers of CALLERS) {
        say(`${callers} ${callers === 1 ? "caller" : "callers"}`);
        findings.push(await measureCase({ callers, served, client, nextTurn }, effort));
      }
      return findings;
    });
  },
};

/** Requests of one row, no two alike. */
function differentRequests(span: number): readonly Uint8Array[] {
  const shape = [1, ...small.inputShape];
  return Array.from({ length: DIFFERENT }, (_, i) => {
    const seed = span * DIFFERENT + i;
    const body = binaryBody({ name: small.input, shape, values: inputFor(small, 1, seed) });
    const headers = { ...body.headers, "x-user": String(seed) };
    return post(`/v2/models/${small.name}/infer`, { ...body, headers });
  });
}

interface Case {
  readonly callers: number;
  readonly served: readonly Served[];
  readonly client: Program;
  /** Counts measurements over all cases. */
  nextTurn(): number;
}

async function measureCase({ callers, served, client, nextTurn }: Case, effort: Effort): Promise<Finding> {
  const span = { warmMs: SPAN.warmMs * effort.scale, measureMs: SPAN.measureMs * effort.scale };
  const hitsBefore = await Promise.all(served.map(cacheHits));
  const cpu = served.map(() => [] as number[]);
  const arms = served.map(({ name, port, program }, i): Arm => {
    return {
      name,
      async measure() {
        const turn = nextTurn();
        const load = { port, requests: differentRequests(2 * turn), connections: callers };
        const others = differentRequests(2 * turn + 1);
        await client.ask<LoadFacts>("load", { ...load, requests: others, warmMs: span.warmMs, measureMs: 0 });
        const used = cpuSeconds([program.pid]);
        const facts = await client.ask<LoadFacts>("load", { ...load, warmMs: 0, measureMs: span.measureMs });
        cpu[i]?.push(((cpuSeconds([program.pid]) - used) / (facts.completed + 1)) * US);
        return facts.perSecond;
      },
    };
  });
  const [peer, ...others] = arms;
  if (peer === undefined) throw new Error("expected an arm, got none");
  const title = `small 1x64, ${callers} ${callers === 1 ? "caller" : "callers"}`;
  const comparison = await compare({ title, unit: "requests/s", rounds: effort.rounds, arms: [peer, ...others] });
  const hitsAfter = await Promise.all(served.map(cacheHits));
  const hits = hitsAfter.reduce((sum, count, i) => sum + count - (hitsBefore[i] ?? 0), 0);
  return {
    title,
    comparison,
    rows: rowsOf(comparison, cpu),
    goals: [],
    notes: [
      `${hits} of the requests hit the cache`,
      "all: rules, fallback, canary, timeout, rate, cache, deadline, concurrency, batch, hedge, retry; none: not one of them",
    ],
  };
}

/** Of several callers: the time between two answers, which is what a request takes of the busiest part. */
function rowsOf({ arms }: Comparison, cpu: readonly (readonly number[])[]): readonly Row[] {
  const [none] = arms;
  return arms.map(({ name, values }, i) => {
    const took = values.map((perSecond) => US / perSecond);
    const added = took.map((us, round) => us - US / (none?.values[round] ?? Number.NaN));
    const ratios = took.map((us, round) => us / (US / (none?.values[round] ?? Number.NaN)));
    return {
      name,
      cells: {
        "us a request": spread(took).median,
        "us added": Math.max(0, spread(added).median),
        "times none": spread(ratios).median,
        // the round before those that count is the first
        "its CPU, us a request": spread((cpu[i] ?? []).slice(1)).median,
      },
    };
  });
}

async function cacheHits({ program }: Served): Promise<number> {
  const port = await program.ask<number>("adminPort");
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(/^sluice_cache_requests_total\{[^}]*state="hit"[^}]*\} (\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

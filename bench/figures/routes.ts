// Figure r: what a route costs a request, how long many routes take to read, and what a bad shadow does to its caller.

import { loadConfig } from "../../config/load.ts";
import { InferError } from "../../core/error.ts";
import type { Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { systemClock } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { fakeEnv } from "../../test/support/fake-env.ts";
import { aCall } from "../../test/support/fake-pool.ts";
import { type FakeRoute, fakeRoute, headers } from "../../test/support/routes.ts";
import { requestFor, wholeReply } from "../../test/support/scripted.ts";
import type { Effort, Figure, Finding, Row } from "../figure.ts";

export const routes: Figure = {
  letter: "r",
  name: "routes",
  question:
    "What does a route cost a request, how long do 500 models of 20 rules take to read, and does a bad shadow slow its caller?",
  async measure(effort, say) {
    say("cost of a request");
    const cost = await costFinding(effort);
    say("reading 500 models");
    const reading = readingFinding();
    say("bad shadows");
    return [cost, reading, await shadowFinding(effort)];
  },
};

const nested = (depth: number): unknown => {
  if (depth === 0) return "stable";
  const unit = { header: "x-user-id" };
  return { canary: { stable: nested(depth - 1), candidate: "next", percent: 1, salt: `s${depth}`, unit } };
};

const rules = Array.from({ length: 19 }, (_, i) => ({ when: { header: { "x-t": `v${i}` } }, to: "next" }));

const ROUTES: Readonly<Record<string, unknown>> = {
  "no route": undefined,
  "weighted, 2 branches": {
    weighted: [
      { to: "stable", weight: 9 },
      { to: "next", weight: 1 },
    ],
  },
  canary: nested(1),
  "8 canaries on top of each other": nested(8),
  "20 rules, the last one": { rules: [...rules, { to: "stable" }] },
};

const request = requestFor("m");

/** Microseconds a request, the best of the rounds. */
async function costOf(words: unknown, requests: number, rounds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= rounds; round += 1) {
    // a fresh one each round, since it remembers what it was asked
    const { route, env } = fakeRoute({ words });
    const calls = Array.from({ length: requests }, (_, i) => aCall(env, headers({ "x-user-id": `u${i}` })));
    const startedAt = performance.now();
    for (const call of calls) await route.service(request, call);
    // the first round is the warm-up
    if (round > 0) best = Math.min(best, ((performance.now() - startedAt) * 1000) / requests);
  }
  return best;
}

async function costFinding({ quick, rounds }: Effort): Promise<Finding> {
  const rows: Row[] = [];
  for (const [name, words] of Object.entries(ROUTES)) {
    rows.push({ name, cells: { "us a request": await costOf(words, quick ? 2_000 : 20_000, rounds) } });
  }
  const deepest = rows.at(-2)?.cells["us a request"] ?? Number.POSITIVE_INFINITY;
  return {
    title: "the cost of a route, leaves that answer at once",
    rows,
    goals: [{ what: "microseconds for 8 routers on top of each other", want: { atMost: 100 }, got: deepest }],
    notes: ["each canary hashes the unit once; the calls are made before the clock starts"],
  };
}

const MODELS = 500;

function readingFinding(): Finding {
  const rule = (i: number) => `        - {when: {header: {x-t: v${i}}}, to: next}\n`;
  const model = (route: string) => (_: unknown, i: number) =>
    `  m${i}:\n    versions: {1: {backend: a}, 2: {backend: a}}\n    labels: {stable: 1, next: 2}\n${route}`;
  const route = `    route:\n      rules:\n${Array.from({ length: 19 }, (_, i) => rule(i)).join("")}        - {to: stable}\n`;
  const read = (words: string) => {
    const models = Array.from({ length: MODELS }, model(words)).join("");
    const text = `backends: {a: {kind: onnx, repository: models}}\nmodels:\n${models}`;
    const startedAt = performance.now();
    const loaded = loadConfig({ text, file: "bench.yaml", env: {} }, kinds);
    if (!loaded.ok) throw new Error(`the config of the bench is wrong: ${loaded.mistakes[0]?.message}`);
    return performance.now() - startedAt;
  };
  read(route);
  const [without, withRules] = [read(""), read(route)];
  const rows = [
    { name: "500 models without a route", cells: { ms: without } },
    { name: "500 models of 20 rules", cells: { ms: withRules } },
  ];
  const goals = [{ what: "milliseconds for 500 models of 20 rules", want: { atMost: 5_000 }, got: withRules }];
  return { title: "reading and checking a config", rows, goals, notes: [] };
}

// a timer that keeps the process alive, as the gateway's own do not
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
/** What the caller's own branch takes, in milliseconds. */
const OWN_MS = 10;
/** Few enough that the process has time to spare: a copy costs CPU, and a full core has none to give. */
const CALLERS = 8;

const after =
  (ms: number, version: string): Service =>
  async () => {
    await wait(ms);
    return wholeReply("m", version);
  };

const SHADOWS: Readonly<Record<string, Service>> = {
  "as fast": after(OWN_MS, "2"),
  "100 times slower": after(100 * OWN_MS, "2"),
  hangs: () => new Promise<Reply>(() => {}),
  errors: () => Promise.reject(new InferError("unavailable", "down")),
  "answers garbage": async () => {
    const output = { name: "y", datatype: "FP32", shape: [9], data: new Uint8Array(1) } as const;
    return wholeReply("m", "2", { outputs: [output] });
  },
};

const COPIED = { shadow: { of: "stable", to: "next", timeout: "500ms" } };

async function p99Of({ route, env }: FakeRoute, requests: number): Promise<number> {
  const took: number[] = [];
  const worker = async () => {
    while (took.length < requests) {
      const startedAt = performance.now();
      await route.service(request, aCall(env));
      took.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, worker));
  took.sort((a, b) => a - b);
  return took[Math.floor(0.99 * took.length)] ?? Number.NaN;
}

async function shadowFinding({ quick, rounds }: Effort): Promise<Finding> {
  const requests = quick ? 400 : 2_000;
  const rows: Row[] = [];
  for (const [name, shadow] of Object.entries(SHADOWS)) {
    const open = (words: unknown) => {
      const env = { ...fakeEnv(), clock: systemClock } as unknown as FakeRoute["env"];
      return fakeRoute({ words, env, leaves: { "1": after(OWN_MS, "1"), "2": shadow } });
    };
    const ratios: number[] = [];
    let plainMs = 0;
    for (let round = 0; round <= rounds; round += 1) {
      // one after the other in one run, so that whatever else the machine does meets both
      plainMs = await p99Of(open("stable"), requests);
      const ratio = (await p99Of(open(COPIED), requests)) / plainMs;
      if (round > 0) ratios.push(ratio);
    }
    ratios.sort((a, b) => a - b);
    rows.push({
      name,
      cells: { "p99 without, ms": plainMs, "ratio of p99, median": ratios[Math.floor(ratios.length / 2)] ?? 0 },
    });
  }
  const worst = Math.max(...rows.map(({ cells }) => cells["ratio of p99, median"] ?? 0));
  return {
    title: "a caller's p99 with every request copied to a shadow, beside no shadow",
    rows,
    goals: [{ what: "the worst ratio", want: { atMost: 1.25 }, got: worst }],
    notes: [`${CALLERS} callers at once, an own branch of ${OWN_MS} ms, at most 16 copies in flight`],
  };
}

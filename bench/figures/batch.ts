// Figure i: what joining small requests gains, and that it does no harm where there is nothing to gain.

import type { Effort, Figure, Finding, Goal } from "../figure.ts";
import type { GatewaySetup } from "../gateway.ts";
import { type Arm, compare } from "../harness.ts";
import { binaryBody, post } from "../http-bytes.ts";
import type { LoadFacts } from "../load.ts";
import { inputFor, type Model, modelPath, modelRepository, models } from "../models.ts";
import { type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import type { RawFacts, RawSetup } from "../raw.ts";
import { quantile } from "../stats.ts";
import { warmUp } from "../warm-up.ts";
import { externalFinding, peerFindings, simulatedFindings } from "./batch-beside.ts";

interface Case {
  readonly model: Model;
  readonly connections: number;
  readonly warmMs: number;
  /** Before the first round: a request alone takes a way of its own, which V8 has not compiled while crowds came. */
  readonly warmUpMs?: number;
  readonly measureMs: number;
  /** The most rounds, so that the whole takes about four minutes. */
  readonly rounds: number;
  /** Rounds are so many times as many: what is compared is smaller than what the machine is off from one second to the next. */
  readonly finer?: number;
  /** The least rate with batching by the rate without it. */
  readonly harmless?: number;
  /** The least share of what the costs of runs and requests allow. */
  readonly ofPossible?: number;
  /** The most p50 with batching by that without it. */
  readonly p50?: number;
}

const CASES: readonly Case[] = [
  { model: models.large, connections: 64, warmMs: 1000, measureMs: 2500, rounds: 5, ofPossible: 0.85 },
  { model: models.small, connections: 64, warmMs: 500, measureMs: 1500, rounds: 5, harmless: 0.98 },
  { model: models.conv, connections: 8, warmMs: 500, measureMs: 2000, rounds: 7, finer: 3, harmless: 0.99 },
  {
    model: models.small,
    connections: 1,
    warmUpMs: 12_000,
    warmMs: 100,
    measureMs: 400,
    rounds: 7,
    finer: 4,
    p50: 1.05,
  },
];

/** Everything on one core, the client too, so that the CPU of a request and of a run add up. */
const CORE = SERVER_CORE;

export const batch: Figure = {
  letter: "i",
  name: "batch",
  question: "How many more requests are answered with batching than without it, and than by others' batching?",
  async measure(effort, say) {
    const own = await measureOwn(effort, say);
    say("simulated servers");
    const simulated = await simulatedFindings(effort);
    say("an HTTP server without batching");
    const external = await externalFinding(effort);
    return [...own, ...simulated, external, ...(await peerFindings(effort, say))];
  },
};

/** On local workers, with batching and without it. */
function measureOwn(effort: Effort, say: (line: string) => void): Promise<readonly Finding[]> {
  const repository = modelRepository([models.large, models.small, models.conv, models.idle]);
  return withPrograms(async (start) => {
    const gateway = (setup: Partial<GatewaySetup>) =>
      start("programs/served.ts", { core: CORE, input: { repository, log: "silent", ...setup } });
    const [off, on] = [await gateway({}), await gateway({ batch: true })];
    const client = await start("programs/client.ts", { core: CORE });
    const parts: Parts = { repository, client, off, on };
    say("warming up");
    for (const server of [off, on]) await warmUp({ client, port: await server.ask<number>("port") }, effort);
    const findings: Finding[] = [];
    for (const one of effort.quick ? CASES.slice(0, 1) : CASES) {
      say(`${one.model.name}, ${one.connections} clients`);
      findings.push(await measureCase(one, parts, effort));
    }
    return findings;
  });
}

interface Parts {
  readonly repository: string;
  readonly client: Program;
  readonly off: Program;
  readonly on: Program;
}

async function measureCase(one: Case, parts: Parts, effort: Effort): Promise<Finding> {
  const { model, connections } = one;
  const p50s = { off: [] as number[], on: [] as number[] };
  const arm = (name: "off" | "on"): Arm => ({
    name: name === "on" ? "with batching" : "without",
    async measure() {
      const facts = await load(one, { client: parts.client, server: parts[name] }, effort);
      p50s[name].push(facts.p50Ms);
      return facts.perSecond;
    },
  });
  if (one.warmUpMs !== undefined) {
    const longer = { ...one, warmMs: one.warmUpMs };
    for (const name of ["off", "on"] as const)
      await load(longer, { client: parts.client, server: parts[name] }, effort);
  }
  const before = await batchesOf(parts.on, model);
  const comparison = await compare({
    title: `${model.name}, ${connections} ${connections === 1 ? "client" : "clients"}`,
    unit: "requests/s",
    rounds: Math.min(effort.rounds, one.rounds) * (one.finer ?? 1),
    arms: [arm("off"), arm("on")],
  });
  const after = await batchesOf(parts.on, model);
  const mean = (after.rows - before.rows) / (after.batches - before.batches);
  const gain = comparison.arms[1]?.ratio?.median ?? Number.NaN;
  // the first round does not count
  const p50 = quantile(
    p50s.on.slice(1).map((ms, i) => ms / (p50s.off[i + 1] ?? Number.NaN)),
    0.5,
  );
  const goals: Goal[] = [];
  if (one.harmless !== undefined) {
    goals.push({ what: "requests with batching by those without", want: { atLeast: one.harmless }, got: gain });
  }
  if (one.p50 !== undefined)
    goals.push({ what: "p50 with batching by that without", want: { atMost: one.p50 }, got: p50 });
  const cells: Record<string, number> = { "rows a batch": mean, "p50 ms": quantile(p50s.on.slice(1), 0.5) };
  if (one.ofPossible !== undefined) {
    const costs = await costsOf(one, parts, { effort, mean });
    const possible = (costs.requestMs + costs.aloneMs) / (costs.requestMs + costs.rowMs);
    goals.push({ what: "gain by that which the costs allow", want: { atLeast: one.ofPossible }, got: gain / possible });
    Object.assign(cells, { "h ms": costs.requestMs, "l(1) ms": costs.aloneMs, "l(b)/b ms": costs.rowMs });
  }
  return { title: comparison.title, comparison, rows: [{ name: "with batching", cells }], goals, notes: NOTES };
}

const NOTES = [
  "gateways, worker and client on one core; one request under way in each client",
  "h: time of a request to a model that does next to nothing, gateway and client together; l(b): of a run of b rows alone",
];

async function load(
  one: Case,
  at: { readonly client: Program; readonly server: Program },
  effort: Effort,
): Promise<LoadFacts> {
  const { model, connections } = one;
  const body = binaryBody({
    name: model.input,
    shape: [1, ...model.inputShape],
    values: inputFor(model, 1, 1),
  });
  return at.client.ask<LoadFacts>("load", {
    port: await at.server.ask<number>("port"),
    requests: [post(`/v2/models/${model.name}/infer`, body)],
    connections,
    warmMs: one.warmMs * effort.scale,
    measureMs: one.measureMs * effort.scale,
  });
}

interface Costs {
  readonly requestMs: number;
  readonly aloneMs: number;
  readonly rowMs: number;
}

async function costsOf(
  one: Case,
  parts: Parts,
  { effort, mean }: { readonly effort: Effort; readonly mean: number },
): Promise<Costs> {
  const idle = await load({ ...one, model: models.idle }, { client: parts.client, server: parts.off }, effort);
  const rows = Math.max(1, Math.round(mean));
  const run = (count: number) => runMs({ model: one.model, rows: count }, parts, effort);
  const [aloneMs, togetherMs] = [await run(1), await run(rows)];
  return { requestMs: 1000 / idle.perSecond, aloneMs, rowMs: togetherMs / rows };
}

/** Milliseconds of one run, by ONNX Runtime alone. */
function runMs(
  { model, rows }: { readonly model: Model; readonly rows: number },
  { repository }: Parts,
  effort: Effort,
): Promise<number> {
  const setup: RawSetup = {
    type: "setup",
    path: modelPath(repository, model),
    input: model.input,
    output: model.output,
    shape: [rows, ...model.inputShape],
    inputs: [inputFor(model, rows, 1)],
  };
  return withPrograms(async (start) => {
    const raw = await start("programs/raw.ts", { core: CORE, input: setup });
    const span = { warmMs: 300 * effort.scale, measureMs: 1500 * effort.scale };
    return 1000 / (await raw.ask<RawFacts>("run", { type: "measure", ...span })).perSecond;
  });
}

/** Batches of the model and their rows so far. */
async function batchesOf(server: Program, model: Model): Promise<{ readonly rows: number; readonly batches: number }> {
  const answer = await fetch(`http://127.0.0.1:${await server.ask<number>("adminPort")}/metrics`);
  const text = await answer.text();
  const value = (name: string) =>
    Number(new RegExp(`^${name}{[^}]*model="${model.name}"[^}]*} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
  return { rows: value("sluice_batch_rows_sum"), batches: value("sluice_batch_rows_count") };
}

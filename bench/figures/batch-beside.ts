// Figure i, second half: batching beside what others do, and in front of servers that are not the gateway's own.

import { startBentoMl } from "../../test/interop/servers/bentoml.ts";
import { startLitServe } from "../../test/interop/servers/litserve.ts";
import type { RunningServer } from "../../test/interop/support/server.ts";
import { isMissing, type Missing } from "../../test/interop/support/venv.ts";
import type { Effort, Finding, Goal } from "../figure.ts";
import type { FrontPorts, FrontSetup } from "../front.ts";
import { type Arm, compare } from "../harness.ts";
import { jsonBody, post, pythonNumber } from "../http-bytes.ts";
import type { Load, LoadFacts } from "../load.ts";
import { inputFor, modelPath, modelRepository, models } from "../models.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import { batchedGoodput, capacityOf, fixedDelayGoodput, type Offered, type Served } from "../simulated.ts";

/** 0.2 ms a row and 5 ms a run: 3.6 rows a millisecond at most. */
const SERVER: Served = { a: 0.2, B: 5 };
const DEADLINE_MS = 25;
/** What Triton's and LitServe's documentation has in its examples. */
const FIXED_DELAY_MS = 5;
const BELOW = [0.6, 0.7, 0.8];
const OVER = 1.5;

/** What does not depend on this machine: a fake clock before servers with fixed costs. */
export async function simulatedFindings({ quick }: Effort): Promise<readonly Finding[]> {
  const spanMs = quick ? 300 : 1_500;
  return [await goodputFinding(spanMs), await unequalFinding(spanMs)];
}

async function goodputFinding(spanMs: number): Promise<Finding> {
  const capacity = capacityOf(SERVER);
  const at = (load: number): Offered => ({
    servers: [SERVER],
    perMs: load * capacity,
    deadlineMs: DEADLINE_MS,
    spanMs,
  });
  const loads = [...BELOW, OVER];
  const ours: number[] = [];
  for (const load of loads) ours.push((await batchedGoodput(at(load))) / capacity);
  const alone = (await batchedGoodput(at(OVER), { maxRows: 1 })) / capacity;
  const cell = (load: number) => `at ${load}`;
  const cells = (values: readonly number[]) => Object.fromEntries(loads.map((load, i) => [cell(load), values[i] ?? 0]));
  const fixed = loads.map((load) => fixedDelayGoodput(at(load), FIXED_DELAY_MS) / capacity);
  const best = Math.max(...ours.slice(0, BELOW.length));
  const share = (ours.at(-1) ?? 0) / best;
  return {
    title: `answers within ${DEADLINE_MS} ms as a share of the capacity, by the load as such a share`,
    rows: [
      { name: "the gateway", cells: cells(ours) },
      { name: `a delay of ${FIXED_DELAY_MS} ms`, cells: cells(fixed) },
      { name: "no batching", cells: { [cell(OVER)]: alone } },
    ],
    goals: [{ what: `goodput at ${OVER} by the best below capacity`, want: { atLeast: 0.9 }, got: share }],
    notes: [`simulated: l(b) = ${SERVER.a}*b + ${SERVER.B} ms, at most 64 rows, requests of one row as Poisson's come`],
  };
}

const FAST: Served = { a: 0.1, B: 2 };
const SLOW: Served = { a: 0.4, B: 3 };

async function unequalFinding(spanMs: number): Promise<Finding> {
  const saturated = (servers: readonly Served[]) => {
    const capacity = servers.map(capacityOf).reduce((sum, one) => sum + one);
    return batchedGoodput({ servers, perMs: 1.2 * capacity, deadlineMs: 1_000, spanMs });
  };
  const [fast, slow, both] = [await saturated([FAST]), await saturated([SLOW]), await saturated([FAST, SLOW])];
  const goal: Goal = {
    what: "both by the sum of each alone",
    want: { atLeast: 0.95 },
    got: both / (fast + slow),
  };
  const rows = [
    { name: `l(b) = ${FAST.a}*b + ${FAST.B} ms`, cells: { "rows/ms": fast } },
    { name: `l(b) = ${SLOW.a}*b + ${SLOW.B} ms`, cells: { "rows/ms": slow } },
    { name: "both", cells: { "rows/ms": both } },
  ];
  return { title: "two unequal targets of one version", rows, goals: [goal], notes: ["simulated, as above"] };
}

const CONNECTIONS = 64;
/** The most, as in the first half. */
const ROUNDS = 3;
const LEAST_MS = 1_500;
const SPAN = { warmMs: 500, measureMs: 2_000 };

async function loadOf(client: Program, at: Pick<Load, "port" | "requests">, { scale }: Effort): Promise<number> {
  const load: Load = {
    ...at,
    connections: CONNECTIONS,
    warmMs: SPAN.warmMs * scale,
    // a peer's slowest batch must fit in, also in a quick run
    measureMs: Math.max(LEAST_MS, SPAN.measureMs * scale),
  };
  return (await client.ask<LoadFacts>("load", load)).perSecond;
}

/** In front of a server that runs one request at a time and does not batch. */
export function externalFinding(effort: Effort): Promise<Finding> {
  return withPrograms(async (start) => {
    const server = await start("programs/linear.ts", { core: CLIENT_CORE, input: { a: 0.1, B: 4 } satisfies Served });
    const there = {
      kind: "oip",
      protocol: "http",
      endpoints: [`http://127.0.0.1:${await server.ask<number>("port")}`],
    };
    const open = async (model: object) => {
      const setup: FrontSetup = {
        log: "silent",
        backends: { there },
        models: { linear: { backend: "there", ...model } },
      };
      const front = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true });
      return (await front.ask<FrontPorts>("ports")).http;
    };
    const client = await start("programs/client.ts", { core: CLIENT_CORE });
    const body = jsonBody({ name: "x", shape: [1, 1], values: new Float32Array([1]) }, pythonNumber);
    const arm = (name: string, port: number): Arm => ({
      name,
      measure: () => loadOf(client, { port, requests: [post("/v2/models/linear/infer", body)] }, effort),
    });
    const [off, on] = [await open({}), await open({ batch: true })];
    const comparison = await compare({
      title: "in front of an HTTP server that does not batch, 64 clients",
      unit: "requests/s",
      rounds: Math.min(effort.rounds, ROUNDS),
      arms: [arm("without", off), arm("with batching", on)],
    });
    return {
      title: comparison.title,
      comparison,
      goals: [],
      notes: ["the server waits 0.1*rows + 4 ms, one run at a time"],
    };
  });
}

/** A server that batches by itself, with the same ONNX file. */
interface Peer {
  readonly name: string;
  readonly note: string;
  start(model: string): Promise<(RunningServer & { readonly version: string; readonly http: number }) | Missing>;
  /** The row as its JSON. */
  body(row: readonly number[]): unknown;
}

const PEERS: readonly Peer[] = [
  {
    name: "LitServe",
    note: "gathers up to 64 rows for 5 ms",
    start: (batched) => startLitServe({ batched }),
    body: (row) => ({ x: row }),
  },
  {
    name: "BentoML",
    note: "learns how long to gather up to 64 rows",
    start: (batched) => startBentoMl({ batched }),
    body: (row) => ({ x: [row] }),
  },
];

/** The same ONNX file and load as those who batch by themselves. */
export async function peerFindings(effort: Effort, say: (line: string) => void): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const peer of PEERS) {
    say(peer.name);
    const finding = await peerFinding(peer, effort);
    if (isMissing(finding)) say(`without ${peer.name}: ${finding.missing}`);
    else findings.push(finding);
  }
  return findings;
}

async function peerFinding(peer: Peer, effort: Effort): Promise<Finding | Missing> {
  const model = models.large;
  const repository = modelRepository([model]);
  const running = await peer.start(modelPath(repository, model));
  if (isMissing(running)) return running;
  try {
    return await withPrograms(async (start) => {
      const input = { repository, log: "silent", batch: true };
      const gateway = await start("programs/served.ts", { core: SERVER_CORE, input });
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const values = inputFor(model, 1, 1);
      const theirs = {
        bytes: Buffer.from(JSON.stringify(peer.body([...values]))),
        headers: { "content-type": "application/json" },
      };
      const ours = jsonBody({ name: model.input, shape: [1, ...model.inputShape], values }, String);
      const port = await gateway.ask<number>("port");
      const arms: readonly [Arm, Arm] = [
        {
          name: `${peer.name} ${running.version}`,
          measure: () => loadOf(client, { port: running.http, requests: [post("/predict", theirs)] }, effort),
        },
        {
          name: "the gateway",
          measure: () => loadOf(client, { port, requests: [post(`/v2/models/${model.name}/infer`, ours)] }, effort),
        },
      ];
      const title = `${model.name} over JSON beside ${peer.name}, each with its own batching, 64 clients`;
      const comparison = await compare({ title, unit: "requests/s", rounds: Math.min(effort.rounds, ROUNDS), arms });
      const got = comparison.arms[1]?.ratio?.median ?? Number.NaN;
      return {
        title,
        comparison,
        goals: [{ what: `requests by those of ${peer.name}`, want: { atLeast: 1 }, got }],
        notes: [`${peer.name} may use every core and ${peer.note}; the gateway has one core`],
      };
    });
  } finally {
    await running.close();
  }
}

// Figure a: how much of ONNX Runtime's own speed is left when its models are served over HTTP.

import type { Effort, Figure, Finding } from "../figure.ts";
import type { GatewaySetup } from "../gateway.ts";
import { type Comparison, compare, joined } from "../harness.ts";
import { binaryBody, post } from "../http-bytes.ts";
import type { Asked, LoadFacts } from "../load.ts";
import { inputFor, type Model, modelPath, modelRepository, models } from "../models.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import type { RawFacts, RawSetup } from "../raw.ts";
import { warmUp } from "../warm-up.ts";

interface Case {
  readonly model: Model;
  readonly rows: number;
  readonly connections: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** So many times the rounds, in spans that much shorter: the machine is another from one second to the next. */
  readonly finer?: number;
  /** The least share of the raw speed. */
  readonly goal?: number;
}

const CASES: readonly Case[] = [
  { model: models.large, rows: 64, connections: 4, warmMs: 1000, measureMs: 4000, finer: 2, goal: 0.93 },
  { model: models.conv, rows: 1, connections: 4, warmMs: 600, measureMs: 4000, finer: 2, goal: 0.97 },
  { model: models.small, rows: 1, connections: 32, warmMs: 300, measureMs: 700 },
  { model: models.small, rows: 64, connections: 16, warmMs: 300, measureMs: 700 },
  { model: models.small, rows: 1024, connections: 8, warmMs: 300, measureMs: 700 },
];

/** Different inputs, sent and run in turn. */
const INPUTS = 4;

/**
 * How often everything is started anew for the cases that have a goal. Where in memory its pages lie makes one process up to 5 %
 * faster or slower than the next one of the same program, the raw arm too, for as long as it lives.
 */
const STARTS = 4;

export const served: Figure = {
  letter: "a",
  name: "served",
  question: "What share of the speed of ONNX Runtime called directly is left when the gateway serves the same runs?",
  measure(effort, say) {
    const repository = modelRepository([models.large, models.conv, models.small]);
    return withPrograms(async (start) => {
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const heavy = CASES.filter(({ goal }) => goal !== undefined);
      const light = CASES.filter(({ goal }) => goal === undefined);
      if (effort.quick)
        return (await measureOnce(light.slice(0, 1), { repository, client, effort, say })).map(findingOf);
      const each: Measured[][] = [];
      for (let n = 1; n <= STARTS; n += 1) {
        say(`start ${n} of ${STARTS}`);
        const rounds = Math.ceil(effort.rounds / STARTS);
        each.push(await measureOnce(heavy, { repository, client, effort: { ...effort, rounds }, say }));
      }
      const all = heavy.map((one, i) =>
        joinedOf(
          one,
          each.flatMap((measured) => measured[i] ?? []),
        ),
      );
      return [...all, ...(await measureOnce(light, { repository, client, effort, say }))].map(findingOf);
    });
  },
};

interface Parts {
  readonly repository: string;
  readonly client: Program;
  readonly effort: Effort;
  readonly say: (line: string) => void;
}

interface Measured {
  readonly one: Case;
  readonly comparison: Comparison;
  /** The most that the client used of its core. */
  readonly clientCpu: number;
}

/** The cases with one gateway, each beside its own raw and bare arm. */
function measureOnce(cases: readonly Case[], parts: Parts): Promise<Measured[]> {
  const { repository, client, effort, say } = parts;
  return withPrograms(async (start) => {
    const setup: GatewaySetup = { repository, log: "info" };
    const gateway = await start("programs/served.ts", { core: SERVER_CORE, input: setup, mute: true });
    const port = await gateway.ask<number>("port");
    say("warming up");
    await warmUp({ client, port }, effort);
    const measured: Measured[] = [];
    for (const one of cases) {
      say(`${one.model.name}, ${one.rows} rows`);
      measured.push(await measureCase(one, { repository, client, port }, effort));
    }
    return measured;
  });
}

function measureCase(
  one: Case,
  { repository, client, port }: Pick<Parts, "repository" | "client"> & { readonly port: number },
  effort: Effort,
): Promise<Measured> {
  const { model, rows } = one;
  const shape = [rows, ...model.inputShape];
  const inputs = Array.from({ length: INPUTS }, (_, i) => inputFor(model, rows, i + 1));
  const path = `/v2/models/${model.name}/infer`;
  const requests = inputs.map((values) => post(path, binaryBody({ name: model.input, shape, values })));
  const { finer = 1 } = one;
  const scale = effort.scale / finer;
  const span = { warmMs: one.warmMs * scale, measureMs: one.measureMs * scale };
  const setup: RawSetup = {
    type: "setup",
    path: modelPath(repository, model),
    input: model.input,
    output: model.output,
    shape,
    inputs,
  };
  return withPrograms(async (start) => {
    const raw = await start("programs/raw.ts", { core: SERVER_CORE, input: setup });
    const bare = await start("programs/bare.ts", { core: SERVER_CORE, input: setup });
    const barePort = await bare.ask<number>("port");
    await checkAnswers(raw, client, { port, requests });
    let clientCpu = 0;
    const load = async (to: number): Promise<number> => {
      const asked = { port: to, requests, connections: one.connections, ...span };
      const facts = await client.ask<LoadFacts>("load", asked);
      clientCpu = Math.max(clientCpu, facts.clientCpu);
      return rows * facts.perSecond;
    };
    const comparison = await compare({
      title: `${model.name} ${shape.join("x")}`,
      unit: "rows/s",
      rounds: effort.rounds * finer,
      arms: [
        {
          name: "ONNX Runtime",
          async measure() {
            return rows * (await raw.ask<RawFacts>("run", { type: "measure", ...span })).perSecond;
          },
        },
        { name: `served, ${one.connections} clients`, measure: () => load(port) },
        { name: `bare node:http, ${one.connections} clients`, measure: () => load(barePort) },
      ],
    });
    return { one, comparison, clientCpu };
  });
}

function joinedOf(one: Case, measured: readonly Measured[]): Measured {
  const [first, ...others] = measured.map(({ comparison }) => comparison);
  if (first === undefined) throw new Error(`${one.model.name}: expected at least one start`);
  return {
    one,
    comparison: joined([first, ...others]),
    clientCpu: Math.max(...measured.map(({ clientCpu }) => clientCpu)),
  };
}

function findingOf({ one, comparison, clientCpu }: Measured): Finding {
  const got = comparison.arms[1]?.ratio?.median ?? Number.NaN;
  const what = "served by raw, median of the pairs";
  const isHeavy = one.goal !== undefined;
  return {
    title: comparison.title,
    comparison,
    goals: one.goal === undefined ? [] : [{ what, want: { atLeast: one.goal }, got }],
    notes: [
      ...(isHeavy ? [`${STARTS} starts of all processes, ${comparison.rounds / STARTS} rounds each`] : []),
      `${INPUTS} inputs in turn; each answer of the gateway was equal to ONNX Runtime's, bit for bit`,
      "bare node:http: the body's last bytes to the same session in one worker, its output back; no JSON, no checks, no log",
      `the client used at most ${Math.round(clientCpu * 100)} % of its core`,
    ],
  };
}

async function checkAnswers(
  raw: Program,
  client: Program,
  at: { readonly port: number; readonly requests: readonly Uint8Array[] },
): Promise<void> {
  const wanted = await raw.ask<readonly Uint8Array[]>("run", { type: "answers" });
  const got = await client.ask<readonly Asked[]>("ask", at);
  for (const [i, want] of wanted.entries()) {
    const answer = got[i];
    if (answer === undefined) throw new Error(`answer ${i}: expected one, got none`);
    const blob = answer.body.subarray(answer.jsonBytes);
    if (answer.jsonBytes > 0 && Buffer.compare(blob, want) === 0) continue;
    throw new Error(
      `answer ${i}: expected the ${want.byteLength} bytes that ONNX Runtime gives, got ${blob.byteLength} others`,
    );
  }
}

// Figure c: how long the gateway's event loop is held by any one turn while large bodies come in.

import type { Effort, Figure, Finding, Row } from "../figure.ts";
import type { GatewaySetup } from "../gateway.ts";
import { binaryBody, jsonBody, post, pythonNumber, shortNumber } from "../http-bytes.ts";
import type { Load, LoadFacts } from "../load.ts";
import { inputFor, type Model, modelRepository, models } from "../models.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import { normalFloats, randomFrom } from "../random.ts";
import type { LagFacts, TurnFacts } from "../turns.ts";
import { warmUp } from "../warm-up.ts";
import type { Watch } from "../watched.ts";

/** What one turn may take of its thread's CPU at p99.9, in milliseconds. */
const MOST_MS = 5;

interface Stream {
  readonly requests: readonly Uint8Array[];
  readonly connections: number;
}

interface Scene {
  readonly name: string;
  readonly streams: readonly Stream[];
}

function scenes(): readonly Scene[] {
  const { large, small, conv, mean } = models;
  const blobs = (model: Model, rows: number, connections: number): Stream => {
    const shape = [rows, ...model.inputShape];
    const body = binaryBody({ name: model.input, shape, values: inputFor(model, rows, 1) });
    return { requests: [post(`/v2/models/${model.name}/infer`, body)], connections };
  };
  const picture = {
    name: mean.input,
    shape: [1, ...mean.inputShape],
    values: normalFloats(3 * 224 * 224, randomFrom(3)),
  };
  const json = (write: (value: number) => string, connections: number): Stream => ({
    requests: [post(`/v2/models/${mean.name}/infer`, jsonBody(picture, write))],
    connections,
  });
  return [
    { name: "blobs: large 64 rows", streams: [blobs(large, 64, 4)] },
    { name: "blobs: conv", streams: [blobs(conv, 1, 4)] },
    { name: "blobs: small 1024 rows", streams: [blobs(small, 1024, 8)] },
    { name: "blobs: small 1 row", streams: [blobs(small, 1, 32)] },
    { name: "JSON picture, 17 digits", streams: [json(pythonNumber, 4)] },
    { name: "JSON picture, 6 decimals", streams: [json(shortNumber, 4)] },
    { name: "all of it at once", streams: [blobs(large, 64, 4), blobs(small, 1, 16), json(pythonNumber, 4)] },
  ];
}

export const turns: Figure = {
  letter: "c",
  name: "turns",
  question: "Does any turn of the main loop hold it for more than 5 ms of CPU while the bodies of a and b are served?",
  measure(effort, say) {
    const repository = modelRepository([models.large, models.small, models.conv, models.mean]);
    return withPrograms(async (start) => {
      const setup: GatewaySetup = { repository, log: "info" };
      const gateway = await start("programs/served.ts", { core: SERVER_CORE, input: setup, mute: true });
      const idle = await start("programs/idle.ts", { core: SERVER_CORE });
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const port = await gateway.ask<number>("port");
      say("warming up");
      await warmUp({ client, port }, effort);
      const watched: Seen[] = [];
      const all = scenes();
      for (const scene of effort.quick ? all.slice(3, 5) : all) {
        say(scene.name);
        watched.push(await watch(scene, { gateway, idle, client, port }, effort));
      }
      return [turnFinding(watched), lagFinding(watched)];
    });
  },
};

interface Parts {
  readonly gateway: Program;
  readonly idle: Program;
  readonly client: Program;
  readonly port: number;
}

interface Seen {
  readonly scene: string;
  readonly turns: TurnFacts;
  readonly perSecond: number;
  readonly lag: LagFacts;
  readonly idleLag: LagFacts;
}

async function watch(scene: Scene, parts: Parts, effort: Effort): Promise<Seen> {
  const { gateway, idle } = parts;
  await load(scene, parts, 500 * effort.scale);
  // the timer that shows lag wakes the loop and would hide busy turns among idle ones: so two spans, one after the other
  await gateway.ask("watch", "turns" satisfies Watch);
  const perSecond = await load(scene, parts, 5000 * effort.scale);
  const turns = await gateway.ask<TurnFacts>("seen");
  await Promise.all([gateway, idle].map((one) => one.ask("watch", "lag" satisfies Watch)));
  await load(scene, parts, 2000 * effort.scale);
  const [lag, idleLag] = await Promise.all([gateway.ask<LagFacts>("seen"), idle.ask<LagFacts>("seen")]);
  return { scene: scene.name, turns, perSecond, lag, idleLag };
}

/** Requests a second over all streams. */
async function load(scene: Scene, { client, port }: Parts, measureMs: number): Promise<number> {
  const loads = scene.streams.map((stream): Load => ({ port, ...stream, warmMs: 0, measureMs }));
  const facts = await Promise.all(loads.map((one) => client.ask<LoadFacts>("load", one)));
  return facts.reduce((sum, one) => sum + one.perSecond, 0);
}

function turnFinding(watched: readonly Seen[]): Finding {
  const rows = watched.map(
    ({ scene, turns: seen, perSecond }): Row => ({
      name: scene,
      cells: {
        "requests/s": perSecond,
        turns: seen.turns,
        "busy turns": seen.busyTurns,
        "p50 ms": seen.p50Ms,
        "p99 ms": seen.p99Ms,
        "p99.9 ms": seen.p999Ms,
        "max ms": seen.maxMs,
        "over 5 ms": seen.over5Ms,
        "CPU ms": seen.cpuMs,
        "by threadCpuUsage ms": seen.threadCpuUsageMs,
      },
    }),
  );
  return {
    title: "CPU of the main thread in one turn of the loop",
    rows,
    goals: watched.map(({ scene, turns: seen }) => ({
      what: `p99.9 of a busy turn in ms, ${scene}`,
      want: { atMost: MOST_MS },
      got: seen.p999Ms,
    })),
    notes: [
      "a turn goes from one check phase of the loop to the next; the quantiles are over turns of at least 0.05 ms",
      "the clock is CLOCK_THREAD_CPUTIME_ID; process.threadCpuUsage() moves in ticks of up to 4 ms and serves as a check of the sum",
    ],
  };
}

function lagFinding(watched: readonly Seen[]): Finding {
  const cells = (lag: LagFacts) => ({
    "p50 ms": lag.p50Ms,
    "p99 ms": lag.p99Ms,
    "p99.9 ms": lag.p999Ms,
    "max ms": lag.maxMs,
  });
  return {
    title: "lateness of a timer of 1 ms, wall clock",
    rows: watched.flatMap(({ scene, lag, idleLag }): readonly Row[] => [
      { name: `${scene}: gateway`, cells: cells(lag) },
      { name: `${scene}: idle process beside it`, cells: cells(idleLag) },
    ]),
    goals: [],
    notes: [
      "the gateway, its worker and the idle process share one core: what the idle process waits is the scheduler's doing",
    ],
  };
}

// Figure g: what callers feel of one slow endpoint of four, by the way that endpoints are chosen.

import { EXTERNAL_ROWS } from "../../test/contract/external-rows.ts";
import type { Effort, Figure, Finding } from "../figure.ts";
import type { FrontPorts, FrontSetup } from "../front.ts";
import { askFor } from "../front-ask.ts";
import type { Load, LoadFacts } from "../load.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import { stubOf } from "../replays.ts";
import { quantile } from "../stats.ts";

const BALANCERS = ["round-robin", "weighted", "least-outstanding", "p2c", "peak-ewma", "least-time", "hash"] as const;
const FAST_MS = 5;
const SLOW_MS = 100;
const DELAYS = [FAST_MS, FAST_MS, FAST_MS, SLOW_MS];
const CALLERS = 8;
/** Different keys, for `hash`. */
const USERS = 64;
const WARM_MS = 4000;
const SPAN = { warmMs: 500, measureMs: 2000 };

export const balancers: Figure = {
  letter: "g",
  name: "balancers",
  question: "With one slow endpoint of four, how long do callers wait under each way of balancing?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      const [row] = EXTERNAL_ROWS;
      if (row === undefined) throw new Error("expected a kind of server, got none");
      const stubs = DELAYS.map((delayMs) => ({ ...stubOf(row), delayMs }));
      const stub = await start("programs/stub.ts", { core: CLIENT_CORE, input: stubs });
      const ports = await stub.ask<readonly number[]>("ports");
      const endpoints = ports.map((port) => `127.0.0.1:${port}`);
      const setup: FrontSetup = {
        log: "info",
        backends: { four: { kind: row.kind, health: { every: "1h" }, endpoints } },
        models: Object.fromEntries(
          BALANCERS.map((by) => [
            by,
            { backend: "four", model: row.model, balance: { ...wordsOf(by), slowStart: "0s" } },
          ]),
        ),
      };
      const gateway = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true });
      const { http: port } = await gateway.ask<FrontPorts>("ports");
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const arms = BALANCERS.map((by) => {
        const requests = Array.from(
          { length: USERS },
          (_, user) => askFor({ model: by, inputs: row.inputs, over: "http", query: `user=${user}` }).bytes,
        );
        return { by, load: { port, requests, connections: CALLERS } };
      });
      say("warming up");
      for (const { load } of arms.slice(0, 1)) {
        await client.ask("load", { ...load, warmMs: 0, measureMs: WARM_MS * effort.scale });
      }
      return [await measureAll({ arms, client, stub }, effort)];
    });
  },
};

function wordsOf(by: (typeof BALANCERS)[number]): object {
  return by === "hash" ? { by, key: { query: "user" } } : { by };
}

interface Parts {
  readonly arms: readonly { readonly by: string; readonly load: Pick<Load, "port" | "requests" | "connections"> }[];
  readonly client: Program;
  readonly stub: Program;
}

interface Seen extends LoadFacts {
  /** Of the requests of this span, how many the slow endpoint got. */
  readonly slowShare: number;
}

/** The ways take turns, round by round, after one round that does not count. */
async function measureAll({ arms, client, stub }: Parts, effort: Effort): Promise<Finding> {
  const span = { warmMs: SPAN.warmMs * effort.scale, measureMs: SPAN.measureMs * effort.scale };
  const seen = arms.map(() => [] as Seen[]);
  for (let round = -1; round < effort.rounds; round += 1) {
    for (const [i, { load }] of arms.entries()) {
      const before = await stub.ask<readonly number[]>("asked");
      const facts = await client.ask<LoadFacts>("load", { ...load, ...span });
      const after = await stub.ask<readonly number[]>("asked");
      const got = after.map((count, at) => count - (before[at] ?? 0));
      const slowShare = (got.at(-1) ?? 0) / got.reduce((sum, count) => sum + count, 0);
      if (round >= 0) seen[i]?.push({ ...facts, slowShare });
    }
  }
  const median = (i: number, key: "perSecond" | "p50Ms" | "p99Ms" | "slowShare") =>
    quantile(
      (seen[i] ?? []).map((one) => one[key]),
      0.5,
    );
  return {
    title: `endpoints that take ${DELAYS.join(", ")} ms, ${CALLERS} callers, medians of ${effort.rounds} rounds`,
    rows: arms.map(({ by }, i) => ({
      name: by,
      cells: {
        "requests/s": median(i, "perSecond"),
        "p50 ms": median(i, "p50Ms"),
        "p99 ms": median(i, "p99Ms"),
        "share of the slow one": median(i, "slowShare"),
      },
    })),
    goals: [],
    notes: ["each round starts with what the rounds before have taught; the span before it counts is left out"],
  };
}

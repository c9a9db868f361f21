// Figure q: how much the gateway adds to the load of endpoints that all fail.

import type { Effort, Figure, Finding, Goal, Row } from "../figure.ts";
import { type Front, type Sides, sendOpen, startFront, startSlotted, timedAsk, wayOf } from "../open-place.ts";
import { CLIENT_CORE, withPrograms } from "../programs.ts";
import type { Mood } from "../slots.ts";

const ENDPOINTS = 2;
const ENDPOINT = { slots: 64, delayMs: 1 };
const RATES = [100, 500];
const SPAN_MS = 20_000;
const DEADLINE_MS = 5000;
const SEED = 19;

/** No checks: each would leave a connection open, and a kept one that is reset is tried anew once for free. */
const LONE = { backend: { health: { every: "1h" } } };

/** What the endpoints do, and how often the gateway may ask by its budget: a share of the requests, and so many a second. */
const MOODS = [
  { mood: "refuses", name: "503" },
  { mood: "resets", name: "connection reset" },
] as const;
const SHARE = 1.2;
const A_SECOND = 10;

export const retries: Figure = {
  letter: "q",
  name: "retries",
  question: "When every endpoint fails, how many calls does a request cost?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      const stub = await startSlotted(start, new Array(ENDPOINTS).fill(ENDPOINT));
      const ports = await stub.ask<readonly number[]>("ports");
      const cases = MOODS.flatMap(({ mood, name }) =>
        RATES.map((perSecond): Case => ({ mood, name, perSecond, model: `${mood}-${perSecond}` })),
      );
      // a model for each: what one has used up of its budget is not missed by the next
      const front = await startFront(start, ports, Object.fromEntries(cases.map(({ model }) => [model, LONE])));
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const measured: Measured[] = [];
      for (const one of cases) {
        say(`${one.name}, ${one.perSecond} requests/s`);
        measured.push(await measureCase({ sides: { client, stubs: [stub] }, front, one }, effort));
      }
      return [findingOf(measured)];
    });
  },
};

interface Case {
  readonly mood: Mood;
  readonly name: string;
  readonly perSecond: number;
  readonly model: string;
}

interface Measured extends Case {
  readonly requests: number;
  readonly calls: number;
  readonly allowed: number;
}

interface Scene {
  readonly sides: Sides;
  readonly front: Front;
  readonly one: Case;
}

async function measureCase({ sides, front, one }: Scene, { scale }: Effort): Promise<Measured> {
  const [stub] = sides.stubs;
  const asked = async () =>
    ((await stub?.ask<readonly number[]>("asked")) ?? []).reduce((sum, count) => sum + count, 0);
  await stub?.ask("mood", one.mood);
  const before = await asked();
  const phase = { forMs: SPAN_MS * scale, perSecond: one.perSecond, asks: [timedAsk(DEADLINE_MS, one.model)] };
  const { facts } = await sendOpen(sides, wayOf(one.name, front), { seed: SEED, phases: [phase] });
  const calls = (await asked()) - before;
  const requests = facts.status.length;
  // the budget is one of whole tens of seconds
  const seconds = Math.ceil((SPAN_MS * scale) / 10_000) * 10;
  return { ...one, requests, calls, allowed: SHARE * requests + A_SECOND * seconds };
}

function findingOf(measured: readonly Measured[]): Finding {
  return {
    title: `${ENDPOINTS} endpoints, all of which fail for ${SPAN_MS / 1000} s`,
    rows: measured.map(
      ({ name, perSecond, requests, calls, allowed }): Row => ({
        name: `${name}, ${perSecond} requests/s`,
        cells: { requests, calls, "calls a request": calls / requests, "by the budget": allowed / requests },
      }),
    ),
    goals: measured.map(
      ({ name, perSecond, requests, calls, allowed }): Goal => ({
        what: `${name}, ${perSecond} requests/s: calls a request`,
        want: { atMost: allowed / requests },
        got: calls / requests,
      }),
    ),
    notes: [
      "the budget is 20 % of the requests and 10 a second, and so is the goal",
      "no health checks here: each keeps a connection, and one that is reset before an answer is repeated once beside the budget",
    ],
  };
}

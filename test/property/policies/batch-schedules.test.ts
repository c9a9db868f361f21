// Random schedules of arrivals, departures, deadlines and faults: every caller gets its own rows or exactly one error.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { RunSliced } from "../../../core/run.ts";
import { type Asking, gotOf, openBench, runAtOnce, wantOf } from "../../support/batch.ts";
import { intsOf, POISON } from "../../support/batch-model.ts";
import type { Wrong } from "../../support/batch-place.ts";
import { seededRandom } from "../../support/fake-env.ts";

const SCHEDULES = 10_000;
const FAULTS: readonly Wrong[] = ["error", "invalid", "short", "long", "swapped-outputs", "crash", "stream"];
const HANGS: readonly Wrong[] = ["hang", "deaf"];

interface Sent {
  readonly values: readonly number[];
  readonly asking: Asking;
  readonly left: boolean;
  readonly hasDeadline: boolean;
}

/** What was wrong, or undefined when nothing was. */
async function runSchedule(seed: number, run: RunSliced = runAtOnce): Promise<string | undefined> {
  const random = seededRandom(seed);
  const pick = (most: number) => Math.floor(random() * most);
  const faulty = random() < 0.6;
  const hangs = random() < 0.3;
  const wrong = (): Wrong | undefined => {
    if (!faulty || random() > 0.3) return undefined;
    const list = hangs ? [...FAULTS, ...HANGS] : FAULTS;
    return list[pick(list.length)];
  };
  const bench = openBench({
    run,
    words: {
      maxRows: 1 + pick(8),
      maxQueue: random() < 0.1 ? 3 : 100,
      maxDelay: random() < 0.2 ? "2ms" : "0ms",
      ...(random() < 0.2 ? { sizes: [2, 4, 8] } : {}),
      ...(random() < 0.2 ? { preferred: [2, 4] } : {}),
      ...(random() < 0.1 ? { probe: true } : {}),
      inFlight: 1 + pick(3),
    },
    places: Array.from({ length: 1 + pick(3) }, (_, i) => {
      const [a, b] = [random(), 2 * random()];
      const base = { id: `e${i}`, slots: 1 + pick(2), exact: random() < 0.7, wrong };
      return { ...base, serviceMs: (rows: number) => a * rows + b };
    }),
  });
  const sent: Sent[] = [];
  let value = 1000 * (1 + pick(1000));
  for (let i = 0; i < 4 + pick(16); i += 1) {
    const poisoned = random() < 0.05;
    const rows = random() < 0.05 ? 0 : random() < 0.1 ? 9 + pick(20) : 1 + pick(3);
    const values = Array.from({ length: rows }, (_, at) => (poisoned && at === 0 ? POISON : value++));
    const hasDeadline = hangs || random() < 0.3;
    const tenant = `t${pick(3)}`;
    const asking = bench.ask(values, {
      tenant,
      priority: pick(3),
      ...(hasDeadline ? { timeoutMs: 1 + 30 * random() } : {}),
    });
    const left = random() < 0.1;
    if (left) bench.env.clock.after(5 * random(), () => asking.call.cancel(new InferError("cancelled", "left")));
    sent.push({ values, asking, left, hasDeadline });
    if (random() < 0.5) await bench.pass(3 * random());
  }
  // in small steps first, so that batches follow each other; then for all that hangs or waits
  for (let i = 0; i < 60 && sent.some(({ asking }) => asking.outcome === undefined); i += 1) await bench.pass(i);
  // longer than a trial may take
  await bench.pass(40_000, 10_000);
  for (const one of sent) {
    const fault = faultOf(one, faulty);
    if (fault !== undefined) return fault;
  }
  if (bench.scheduler.waiting !== 0) return `${bench.scheduler.waiting} wait for ever`;
  if (bench.env.clock.pending !== 0) return `${bench.env.clock.pending} timers are left`;
  const busy = bench.fakes.reduce((sum, fake) => sum + fake.busy, 0);
  return busy === 0 ? undefined : `${busy} runs are left`;
}

function faultOf({ values, asking, left, hasDeadline }: Sent, faulty: boolean): string | undefined {
  if (asking.times !== 1) return `settled ${asking.times} times`;
  const got = gotOf(asking);
  // a request without rows passes as it is, to whatever its endpoint does with it
  if (values.length === 0 && faulty) return undefined;
  if (typeof got !== "string") {
    if (got.join() !== wantOf(values).join()) return `asked ${values}, got ${got}`;
    return textOf(asking) === values.map((one) => `<${one}>`).join() ? undefined : `asked ${values}, got other text`;
  }
  if (got === "foreign" || got === "stream") return faulty ? undefined : got;
  // without faults only the guilty, the impatient and the refused get none
  const excused = faulty || left || hasDeadline || values.includes(POISON) || got === "overloaded";
  return excused ? undefined : `asked ${values}, got ${got}`;
}

function textOf({ outcome }: Asking): string {
  if (outcome === undefined || !("reply" in outcome) || outcome.reply.kind === "stream") return "";
  const text = outcome.reply.outputs[1];
  if (text === undefined) return "";
  const view = new DataView(text.data.buffer, text.data.byteOffset, text.data.byteLength);
  const words: string[] = [];
  for (let at = 0; at < text.data.byteLength; ) {
    const length = view.getUint32(at, true);
    words.push(new TextDecoder().decode(text.data.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return words.join();
}

async function firstFault(seeds: number, run?: RunSliced): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const fault = await runSchedule(seed, run);
    if (fault !== undefined) return `schedule ${seed}: ${fault}`;
  }
  return undefined;
}

describe("batches under random schedules", () => {
  it(`give every caller its own rows or exactly one error, ${SCHEDULES} times`, { timeout: 240_000 }, async () => {
    expect(await firstFault(SCHEDULES)).toBeUndefined();
  });

  it("show swapped rows, were there any", { timeout: 60_000 }, async () => {
    const swapping: RunSliced = (work) => {
      const result = runAtOnce(work, { small: true, signal: new AbortController().signal });
      if (!Array.isArray(result) || result.length < 2 || !("kind" in result[0])) return result;
      const [first, second, ...others] = result;
      return [second, first, ...others] as typeof result;
    };
    expect(await firstFault(200, swapping)).toMatch(/asked .*, got/);
  });

  it("show a lost member, were there one", { timeout: 60_000 }, async () => {
    let merged = 0;
    const losing: RunSliced = (work) => {
      const result = runAtOnce(work, { small: true, signal: new AbortController().signal });
      merged += 1;
      return merged % 50 === 0 ? new Promise<never>(() => {}) : result;
    };
    expect(await firstFault(200, losing)).toMatch(/settled 0 times|wait for ever/);
  });

  it("are read back as the numbers that were sent", () => {
    expect(
      intsOf({ name: "y", datatype: "INT32", shape: [2], data: new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0]) }),
    ).toEqual([1, 2]);
  });
});

// The cache as a promise: an answer with it is the answer without it, whatever is asked and whatever collides.

import { describe, expect, it } from "vitest";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { openKeeper } from "../../../policies/cache/keeper.ts";
import { openDigests } from "../../../policies/cache/key.ts";
import type { Question } from "../../../policies/cache/question.ts";
import { openRoom } from "../../../policies/cache/room.ts";
import { cacheWords } from "../../../policies/cache/words.ts";
import { runAtOnce } from "../../support/batch.ts";
import { answerOf, ints, openCacheBench, SECRET } from "../../support/cache.ts";
import { fakeEnv, seededRandom } from "../../support/fake-env.ts";
import { requestFor } from "../../support/scripted.ts";

/** `npm run soak` takes ten million. */
const LOOKUPS = Number(process.env.SLUICE_CACHE_LOOKUPS ?? 1_000_000);
const SOAK_MS = 10 * 60_000;

/** An answer that tells all that the question said, and what the model was. */
function answerTo(request: InferRequest, artifact: string): InferResponse {
  const { inputs, parameters, outputs, task, signature } = request;
  const said = [
    artifact,
    task,
    signature ?? null,
    [...inputs]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, datatype, shape, data }) => [name, datatype, shape, [...data]]),
    [...parameters].sort().map(([name, value]) => [name, typeof value, String(value)]),
    outputs === undefined ? null : outputs.map(({ name, parameters: own }) => [name, [...own].map(String)]).sort(),
  ];
  const data = Buffer.from(JSON.stringify(said));
  const whole = { ...answerOf(), outputs: [{ name: "y", datatype: "UINT8" as const, shape: [data.length], data }] };
  return whole;
}

const textOf = (reply: Reply) => (reply.kind === "whole" ? Buffer.from(reply.outputs[0]?.data ?? []).toString() : "");

/** Questions from small pools, so that many are equal and more are nearly so. */
function questions(seed: number) {
  const random = seededRandom(seed);
  const one = <T>(pool: readonly T[]): T => pool[Math.floor(random() * pool.length)] as T;
  const tensor = (name: string) => {
    const { data } = ints(name, [one([0, 1]), one([0, 256])]);
    return { name, datatype: one(["INT32", "UINT32"] as const), shape: one([[2], [1, 2]]), data };
  };
  return (): Partial<InferRequest> => {
    const inputs = one([["a"], ["b"], ["a", "b"], ["b", "a"]]).map(tensor);
    const outputs = one([undefined, [], ["y"], ["y", "z"], ["z", "y"]]);
    return {
      inputs,
      parameters: new Map(
        one<readonly (readonly [string, string | bigint | number])[]>([[], [["k", 1n]], [["k", 1]], [["k", "1"]]]),
      ),
      ...(outputs === undefined ? {} : { outputs: outputs.map((name) => ({ name, parameters: new Map() })) }),
      ...one([{}, { signature: "s" }]),
    };
  };
}

describe("a random run of requests", () => {
  it.each([1, 2, 3])("has the same answers with the cache as without (seed %i)", { timeout: SOAK_MS }, async (seed) => {
    const random = seededRandom(seed);
    const make = questions(seed);
    const pool = Array.from({ length: 40 }, make);
    const next = () => pool[Math.floor(random() * pool.length)] ?? {};
    // room for few, so that answers come and go; a first digest of two bits, so that most questions collide
    const first = (message: Uint8Array) => String((message.at(-1) ?? 0) & 3);
    const bench = openCacheBench({
      words: { ttl: "3s", staleIfError: "1s" },
      room: { maxBytes: 40_000, ...(seed === 3 ? { first } : {}) },
    });
    let artifact = "a0";
    bench.become({ id: artifact, portable: true });
    let hits = 0;
    for (let i = 0; i < LOOKUPS / 500; i += 1) {
      if (random() < 0.01) {
        artifact = `a${Math.floor(random() * 3)}`;
        bench.become({ id: artifact, portable: true });
      }
      if (random() < 0.01) await bench.room.purge({});
      bench.env.clock.advance(random() * 20);
      const request = next();
      const asking = bench.ask({ request });
      for (let turn = 0; turn < 30 && bench.handle.waiting === 0; turn += 1) await Promise.resolve();
      // asked of the model, or answered by the cache
      if (bench.handle.waiting > 0) {
        const asked = await bench.handle.next();
        asked.reply(answerTo(asked.request, artifact));
      } else hits += 1;
      const want = textOf(answerTo(requestFor("m", request), artifact));
      expect(textOf(await asking.answer)).toBe(want);
    }
    expect(hits).toBeGreaterThan(seed === 3 ? 30 : 300);
  });
});

describe("a first digest that collides on purpose", () => {
  const DIFFERENT = 512;

  /** How many look-ups gave another question's answer, and how many collisions were noticed. */
  async function run({ proofs }: { readonly proofs: boolean }) {
    let collisions = 0;
    const env = {
      ...fakeEnv(),
      emit: (event: { readonly type: string; readonly why?: string }) => {
        if (event.type === "cache-dropped" && event.why === "collision") collisions += 1;
      },
    };
    const room = openRoom({ maxBytes: 2 ** 24, secret: SECRET, clock: env.clock, emit: env.emit });
    room.retain(new Set(["m"]));
    const identity = { id: "a", portable: true };
    const options = cacheWords.parse({ ttl: "1h" });
    const keeper = openKeeper({ model: "m", room, env, run: runAtOnce, options, identity: () => identity });
    // four bits
    const digests = openDigests({ secret: SECRET, first: (message) => String((message[40] as number) & 15) });
    const asked = Array.from({ length: DIFFERENT }, (_, n): Question => {
      const step = digests.content(requestFor("m", { inputs: [ints("x", [n])] })).next();
      if (!step.done) throw new Error("expected a small question");
      const mark = digests.mark(step.value, {
        model: "m",
        version: "1",
        identity: "a",
        tenant: undefined,
        headers: [],
      });
      const blind = { ...mark, proof: new Uint8Array(64) };
      return { mark: proofs ? mark : blind, flight: "", identity, tenant: undefined, generation: 0, lookMs: 0 };
    });
    const random = seededRandom(9);
    let [wrong, right] = [0, 0];
    for (let i = 0; i < LOOKUPS; i += 1) {
      const n = Math.floor(random() * DIFFERENT);
      const question = asked[n] as Question;
      const found = keeper.find(question);
      if (found === undefined) {
        if (i % 16 === 0) await keeper.keep(question, { answer: answerOf(n), askedMs: 1, look: undefined });
        continue;
      }
      const { data } = found.answer.outputs[0] as { readonly data: Uint8Array };
      if (((data[0] as number) | ((data[1] as number) << 8)) === n) right += 1;
      else wrong += 1;
    }
    return { wrong, right, collisions };
  }

  it("never gives another question's answer in 1,000,000 look-ups: the second digest catches each", {
    timeout: SOAK_MS,
  }, async () => {
    const { wrong, right, collisions } = await run({ proofs: true });
    expect(wrong).toBe(0);
    expect(right).toBeGreaterThan(LOOKUPS / 50);
    expect(collisions).toBeGreaterThan(LOOKUPS / 2);
  });

  it("would do so without the second digest: the run can fail", { timeout: SOAK_MS }, async () => {
    const { wrong } = await run({ proofs: false });
    expect(wrong).toBeGreaterThan(LOOKUPS / 2);
  });
});

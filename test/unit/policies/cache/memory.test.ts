// What kept answers weigh: as much as the memory that they take.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import type { Event } from "../../../../core/event.ts";
import type { InferResponse } from "../../../../core/request.ts";
import { NO_PARAMETERS } from "../../../../core/tensor.ts";
import { openKeeper } from "../../../../policies/cache/keeper.ts";
import { openDigests } from "../../../../policies/cache/key.ts";
import type { Question } from "../../../../policies/cache/question.ts";
import { openRoom } from "../../../../policies/cache/room.ts";
import { cacheWords } from "../../../../policies/cache/words.ts";
import { runAtOnce } from "../../../support/batch.ts";
import { ints, SECRET } from "../../../support/cache.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { zipf } from "../../../support/popularity.ts";
import { requestFor } from "../../../support/scripted.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const used = () => {
  collect();
  collect();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
};

function openFull(maxBytes: number, ttl = "1h") {
  const dropped = { evicted: 0, refused: 0, collision: 0 };
  const env = {
    ...fakeEnv(),
    emit: (event: Event) => {
      if (event.type === "cache-dropped") dropped[event.why] += 1;
    },
  };
  const room = openRoom({ maxBytes, secret: SECRET, clock: env.clock, emit: env.emit });
  room.retain(new Set(["m"]));
  const identity = { id: "a", portable: true };
  const options = cacheWords.parse({ ttl, maxBytes: `${maxBytes}B` });
  const keeper = openKeeper({ model: "m", room, env, run: runAtOnce, options, identity: () => identity });
  const digests = openDigests({ secret: SECRET });
  const keep = async (n: number, bytes: number) => {
    const work = digests.content(requestFor("m", { inputs: [ints("x", [n])] }));
    const step = work.next();
    if (!step.done) throw new Error("expected a small question");
    const mark = digests.mark(step.value, { model: "m", version: "1", identity: "a", tenant: undefined, headers: [] });
    const question: Question = { mark, flight: "", identity, tenant: undefined, generation: 0, lookMs: 0 };
    // a name and a text of its own for each, as a decoder makes them
    const output = {
      name: `y${n}`.slice(0, 1),
      datatype: "UINT8" as const,
      shape: [bytes],
      data: Buffer.alloc(bytes, n),
    };
    const answer: InferResponse = {
      kind: "whole",
      model: { name: "m", version: "1" },
      outputs: [output],
      parameters: NO_PARAMETERS,
    };
    if (keeper.find(question) !== undefined) return true;
    await keeper.keep(question, { answer, askedMs: 1, look: undefined });
    return false;
  };
  return { shelf: room.shelf("m", maxBytes), clock: env.clock, dropped, keep };
}

it.each([
  [4_096, 4_000],
  [65_536, 400],
  [602_112, 60],
])("is accounted within 15 % for answers of %i bytes", async (bytes, count) => {
  // whatever is made once is made before
  const warm = openFull(2 ** 30);
  for (let n = 0; n < 100; n += 1) await warm.keep(n, bytes);
  const full = openFull(2 ** 30);
  const before = used();
  for (let n = 0; n < count; n += 1) await full.keep(n, bytes);
  const grown = used() - before;
  expect(full.shelf.entries).toBe(count);
  expect(full.shelf.bytes / grown).toBeGreaterThan(0.85);
  expect(full.shelf.bytes / grown).toBeLessThan(1.15);
});

/** Of the clock; so many questions come in it, one after the other. */
const HOUR_MS = 3_600_000;
const ASKED = 60_000;
const BUDGET = 16 * 2 ** 20;

it("stays under its budget, as the process does, for an hour's equivalent of churn", { timeout: 60_000 }, async () => {
  const full = openFull(BUDGET, "5m");
  let n = 0;
  let hits = 0;
  let before = 0;
  // most are asked for again, some never: answers of 4 to 64 KiB come, go for others and end
  for (const one of zipf(ASKED, 20_000)) {
    full.clock.advance(HOUR_MS / ASKED);
    if (await full.keep(one, 4_096 * (1 + (one % 16)))) hits += 1;
    if (full.shelf.bytes > BUDGET) throw new Error(`over budget at ${n}: ${full.shelf.bytes}`);
    n += 1;
    if (n === ASKED / 6) before = used();
  }
  expect(full.shelf.bytes).toBeGreaterThan(BUDGET / 2);
  expect(hits).toBeGreaterThan(ASKED / 10);
  expect(full.dropped.evicted).toBeGreaterThan(1_000);
  expect(full.dropped.refused).toBeGreaterThan(1_000);
  expect(used() - before).toBeLessThan(2 * 2 ** 20);
});

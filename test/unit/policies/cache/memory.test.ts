// What kept answers weigh: as much as the memory that they take.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
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
import { requestFor } from "../../../support/scripted.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const used = () => {
  collect();
  collect();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
};

function openFull(maxBytes: number) {
  const env = { ...fakeEnv(), emit: () => {} };
  const room = openRoom({ maxBytes, secret: SECRET, clock: env.clock, emit: env.emit });
  room.retain(new Set(["m"]));
  const identity = { id: "a", portable: true };
  const options = cacheWords.parse({ ttl: "1h", maxBytes: `${maxBytes}B` });
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
    keeper.find(question);
    await keeper.keep(question, { answer, askedMs: 1, look: undefined });
  };
  return { shelf: room.shelf("m", maxBytes), keep };
}

it.each([
  [4_096, 4_000],
  [65_536, 400],
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

it("stays under its budget, and so does the process, for an hour's equivalent of churn", async () => {
  const full = openFull(8 * 2 ** 20);
  let before = 0;
  for (let n = 0; n < 60_000; n += 1) {
    await full.keep(n, 4_096);
    if (full.shelf.bytes > 8 * 2 ** 20) throw new Error(`over budget at ${n}`);
    if (n === 10_000) before = used();
  }
  expect(used() - before).toBeLessThan(2 * 2 ** 20);
});

// What the cache does for a question that it has an answer to: both digests, the key, and the entry found and proven.

import { randomBytes } from "node:crypto";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { systemEnv } from "../../gateway/env.ts";
import { openMemo } from "../../gateway/memo.ts";
import { openKeeper } from "../../policies/cache/keeper.ts";
import type { Question } from "../../policies/cache/question.ts";
import { openRoom } from "../../policies/cache/room.ts";
import { cacheWords } from "../../policies/cache/words.ts";
import { runAtOnce } from "../../test/support/batch.ts";
import { runNow } from "../../wire/sliced.ts";
import type { LookUp } from "../kept.ts";
import { answer } from "../program.ts";

const nothing = () => {};
const env = systemEnv({ log: { debug: nothing, info: nothing, warn: nothing, error: nothing }, emit: nothing });
const IDENTITY = { id: "bench", portable: true };
const ASKED = { model: "m", version: "1", identity: IDENTITY.id, tenant: undefined, headers: [] };

/** One tensor of so many floats in a row, for which an answer of the same size is kept. */
async function openOne(floats: number) {
  const room = openRoom({ maxBytes: 2 ** 26, secret: randomBytes(32), clock: env.clock, emit: nothing });
  room.retain(new Set(["m"]));
  const options = cacheWords.parse({ ttl: "1h" });
  const keeper = openKeeper({ model: "m", room, env, run: runAtOnce, options, identity: () => IDENTITY });
  const x = { name: "x", datatype: "FP32", shape: [1, floats], data: randomBytes(4 * floats) } as const;
  const model = { name: "m", select: { by: "default" } } as const;
  const request: InferRequest = { model, task: "infer", inputs: [x], parameters: NO_PARAMETERS, stream: false };
  const reply: InferResponse = {
    ...{ kind: "whole", model: { name: "m", version: "1" } },
    ...{ outputs: [x], parameters: NO_PARAMETERS },
  };
  const digest = () => room.digests.mark(runNow(room.digests.content(request)), ASKED);
  const question: Question = {
    mark: digest(),
    flight: "",
    identity: IDENTITY,
    tenant: undefined,
    generation: room.generation("m", undefined),
    lookMs: 0,
  };
  const notKept = await keeper.keep(question, { answer: reply, askedMs: 1, look: undefined });
  if (notKept !== undefined) throw new Error(`expected an answer to be kept, got ${notKept}`);
  const memo = openMemo({ contents: room.contents, secret: randomBytes(32) });
  const body = Buffer.concat([randomBytes(HEAD_BYTES), x.data]);
  room.contents.note(request, runNow(room.digests.content(request)));
  memo.keep(memo.key(WAY_IN, body), { request });
  const recall = () => {
    const known = memo.find(memo.key(WAY_IN, body), async () => ({ request }));
    const content = known === undefined ? undefined : room.contents.of(known.request);
    return content === undefined ? undefined : room.digests.mark(content, ASKED);
  };
  return { digest, recall, question, keeper };
}

/** As long as the JSON before one blob, and what a front says of the way in. */
const HEAD_BYTES = 137;
const WAY_IN = ["oip-rest", "POST", "/v2/models/m/infer", "", '{"name":"m"}', "[]", ""];

/** Microseconds that `act` takes, in the mean of so many milliseconds. */
function usOf(act: () => unknown, ms: number): number {
  const began = performance.now();
  let times = 0;
  let took = 0;
  while (took < ms) {
    for (let i = 0; i < 16; i += 1)
      if (act() === undefined) throw new Error("expected an answer that is kept, got none");
    times += 16;
    took = performance.now() - began;
  }
  return (took / times) * 1000;
}

answer({
  start: nothing,
  async measure({ floats, ms }: { readonly floats: number; readonly ms: number }): Promise<LookUp> {
    const { digest, recall, question, keeper } = await openOne(floats);
    usOf(digest, ms);
    const digestUs = usOf(digest, ms);
    usOf(() => keeper.find(question), ms);
    const findUs = usOf(() => keeper.find(question), ms);
    // both at once, as a request does them: what one leaves in the caches of the processor is not free for the other
    const bothUs = usOf(() => keeper.find({ ...question, mark: digest() }), ms);
    const repeatUs = usOf(() => {
      const mark = recall();
      return mark === undefined ? undefined : keeper.find({ ...question, mark });
    }, ms);
    return { digestUs, findUs, bothUs, repeatUs };
  },
  stop: nothing,
});

// From a request to its question, where its bytes are not there yet.

import { expect, it } from "vitest";
import { deferInputs } from "../../../../core/deferred.ts";
import type { Tensor } from "../../../../core/tensor.ts";
import { answerOf, ints, openCacheBench } from "../../../support/cache.ts";
import { requestFor } from "../../../support/scripted.ts";

/** Inputs as a front recalls them; tells how often they were decoded. */
function recalled(tensor: Tensor) {
  const state = { decoded: 0 };
  const inputs = deferInputs([tensor], async () => {
    state.decoded += 1;
    return [tensor];
  });
  return { state, inputs };
}

it("a request whose digests were noted is not decoded to find its answer", async () => {
  const bench = openCacheBench();
  const first = requestFor("m", { inputs: [ints("x", [7])] });
  await bench.miss({ request: first }, answerOf(1));
  const { state, inputs } = recalled(ints("x", [7]));
  const content = bench.room.contents.of(first);
  if (content === undefined) throw new Error("expected the digests to be noted");
  const again = { ...first, inputs };
  bench.room.contents.note(again, content);
  expect(await bench.ask({ request: again }).answer).toEqual(answerOf(1));
  expect(state.decoded).toBe(0);
});

it("one of which anything was changed on its way is decoded and digested anew, and is a question of its own", async () => {
  const bench = openCacheBench();
  const { state, inputs } = recalled(ints("x", [7]));
  const changed = { inputs, parameters: new Map([["k", "v"]]) };
  await bench.miss({ request: changed }, answerOf(1));
  expect(state.decoded).toBe(1);
  const equal = bench.ask({ request: { inputs: [ints("x", [7])], parameters: new Map([["k", "v"]]) } });
  expect(await equal.answer).toEqual(answerOf(1));
  expect(equal.said()).toBe("hit: 0 s old");
  const plain = await bench.miss({ request: { inputs: [ints("x", [7])] } }, answerOf(2));
  expect(plain.said()).toBe("miss");
});

// When keeping answers pays.

import { expect, it } from "vitest";
import { openKeeper } from "../../../../policies/cache/keeper.ts";
import type { Question } from "../../../../policies/cache/question.ts";
import { openRoom } from "../../../../policies/cache/room.ts";
import { cacheWords } from "../../../../policies/cache/words.ts";
import { openWorth } from "../../../../policies/cache/worth.ts";
import { runAtOnce } from "../../../support/batch.ts";
import { answerOf, SECRET } from "../../../support/cache.ts";
import { fakeEnv } from "../../../support/fake-env.ts";

it("pays until look-ups are known to cost more than answers, and again when they no longer do", () => {
  const worth = openWorth();
  for (let i = 0; i < 31; i += 1) worth.note(0.2, 0.1);
  expect(worth.pays).toBe(true);
  worth.note(0.2, 0.1);
  expect(worth.pays).toBe(false);
  for (let i = 0; i < 100; i += 1) worth.note(0.2, 5);
  expect(worth.pays).toBe(true);
});

it("is not misled by one slow look-up among quick ones", () => {
  const worth = openWorth();
  worth.note(50, 1);
  for (let i = 0; i < 60; i += 1) worth.note(0.01, 1);
  expect(worth.pays).toBe(true);
});

it("is asked before an answer is kept, be it of a whole request or of rows, and lets them in again", async () => {
  const env = fakeEnv();
  const room = openRoom({ maxBytes: 2 ** 20, secret: SECRET, clock: env.clock, emit: env.emit });
  room.retain(new Set(["m"]));
  const identity = { id: "a", portable: true };
  const options = cacheWords.parse({ ttl: "1h" });
  const keeper = openKeeper({ model: "m", room, env, run: runAtOnce, options, identity: () => identity });
  const question = (n: number): Question => {
    const mark = { key: `${n}`, proof: new Uint8Array(64), head: "" };
    return { mark, flight: `${n}`, identity, tenant: undefined, generation: 0, lookMs: 0.2 };
  };
  const keep = (n: number, askedMs: number) =>
    keeper.keep(question(n), { answer: answerOf(n), askedMs, look: undefined });
  for (let n = 0; n < 31; n += 1) expect(await keep(n, 0.1)).toBeUndefined();
  expect(await keep(31, 0.1)).toBe("the model is quicker than a look-up");
  const rows = [question(40), question(41)];
  const answers = [answerOf(40), answerOf(41)];
  await keeper.keepRows(rows, { answers, askedMs: 0.1, look: undefined });
  expect([31, 40, 41].map((n) => keeper.find(question(n)))).toEqual([undefined, undefined, undefined]);
  expect(keeper.find(question(30))).toBeDefined();
  await keeper.keepRows(rows, { answers, askedMs: 50, look: undefined });
  expect([40, 41].map((n) => keeper.find(question(n))?.ageMs)).toEqual([0, 0]);
  expect(await keep(31, 0.1)).toBeUndefined();
});

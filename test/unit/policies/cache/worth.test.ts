// When keeping answers pays.

import { expect, it } from "vitest";
import { openWorth } from "../../../../policies/cache/worth.ts";

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

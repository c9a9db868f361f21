// The right to a waiting run.

import { expect, test } from "vitest";
import { openTicket, TICKET_BYTES } from "../../../../backends/onnx/ticket.ts";

function twoSides() {
  const memory = new SharedArrayBuffer(TICKET_BYTES);
  return { pool: openTicket(memory), worker: openTicket(memory) };
}

test("a waiting run is had once, by the worker or by the pool", () => {
  const { pool, worker } = twoSides();
  pool.offer(7);
  expect([worker.claim(7), worker.claim(7), pool.claim(7)]).toEqual([true, false, false]);
  pool.offer(8);
  expect([pool.claim(8), worker.claim(8)]).toEqual([true, false]);
});

test("a run that is the worker's by turn stays so when the next is offered before the worker has claimed it", () => {
  const { pool, worker } = twoSides();
  pool.offer(1);
  pool.offer(2);
  expect(worker.claim(1)).toBe(true);
  pool.offer(3);
  expect([worker.claim(2), worker.claim(3)]).toEqual([true, true]);
});

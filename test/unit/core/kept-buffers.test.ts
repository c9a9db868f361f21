import { expect, test } from "vitest";
import { openKeptBuffers } from "../../../core/kept-buffers.ts";

test("a buffer that was taken back is given again for the same size, and one of another size is not", () => {
  const buffers = openKeptBuffers(1024 * 1024);
  const first = buffers.take(100_000);
  buffers.keep(first);
  expect(buffers.take(300_000)).not.toBe(first);
  expect(buffers.take(99_000)).toBe(first);
  expect(buffers.keptBytes).toBe(0);
});

test("buffers hold what was asked for with at most a quarter unused", () => {
  const buffers = openKeptBuffers(0);
  for (let bytes = 1025; bytes < 10_000_000; bytes = Math.ceil(bytes * 1.07)) {
    const { byteLength } = buffers.take(bytes);
    expect(byteLength).toBeGreaterThanOrEqual(bytes);
    expect(byteLength).toBeLessThanOrEqual(bytes * 1.25);
  }
});

test("more than may be kept, foreign sizes and buffers that were transferred away are let go", () => {
  const buffers = openKeptBuffers(150_000);
  const [one, two] = [buffers.take(100_000), buffers.take(100_000)];
  buffers.keep(one);
  buffers.keep(two);
  expect(buffers.keptBytes).toBe(one.byteLength);
  buffers.keep(new ArrayBuffer(1025));
  structuredClone(two, { transfer: [two] });
  buffers.keep(two);
  expect(buffers.keptBytes).toBe(one.byteLength);
});

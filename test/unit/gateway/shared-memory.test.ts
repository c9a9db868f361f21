// Regions of shared memory over a folder of plain files, which is what the system's own folder holds.

import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSharedMemory } from "../../../gateway/shared-memory.ts";
import { runNow } from "../../../wire/sliced.ts";

let folder: string;
let memory: ReturnType<typeof openSharedMemory>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-shm-"));
  memory = openSharedMemory({ folder, maxBytes: 3 * 1024 * 1024 });
});
afterEach(async () => {
  await memory.close();
  rmSync(folder, { recursive: true });
});

function object(name: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, name), bytes);
}

test("a region is read and written at its own place in the object, also when the object has been unlinked", () => {
  object("k", Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]));
  memory.register({ name: "r", key: "/k", offset: 2, bytes: 5 });
  expect(memory.list()).toEqual([{ name: "r", key: "/k", offset: 2, bytes: 5 }]);
  expect([...runNow(memory.reader()({ region: "r", offset: 1, bytes: 3 }))]).toEqual([3, 4, 5]);
  runNow(memory.write({ region: "r", offset: 3, bytes: 2 }, Uint8Array.from([90, 91])));
  expect([...readFileSync(join(folder, "k"))]).toEqual([0, 1, 2, 3, 4, 90, 91, 7]);
  unlinkSync(join(folder, "k"));
  expect([...runNow(memory.reader()({ region: "r", offset: 3, bytes: 2 }))]).toEqual([90, 91]);
});

test("large parts are moved in slices of a mebibyte, whole", () => {
  const bytes = Uint8Array.from({ length: 2 * 1024 * 1024 + 5 }, (_, i) => i % 251);
  object("large", bytes);
  memory.register({ name: "r", key: "large", offset: 0, bytes: bytes.length });
  const work = memory.reader()({ region: "r", offset: 0, bytes: bytes.length });
  let stops = 0;
  let step = work.next();
  for (; !step.done; step = work.next()) stops += 1;
  expect(stops).toBe(2);
  expect(Buffer.compare(step.value, bytes)).toBe(0);
});

test("the inputs of one request are bounded together", () => {
  object("k", new Uint8Array(2 * 1024 * 1024));
  memory.register({ name: "r", key: "k", offset: 0, bytes: 2 * 1024 * 1024 });
  const read = memory.reader();
  runNow(read({ region: "r", offset: 0, bytes: 2 * 1024 * 1024 }));
  expect(() => runNow(read({ region: "r", offset: 0, bytes: 1024 * 1024 + 1 }))).toThrow("over 3145728 bytes");
});

test.each([
  ["a name that is taken", { name: "r", key: "k", offset: 0, bytes: 1 }, "already in manager"],
  [
    "an object that is not there",
    { name: "x", key: "nothing", offset: 0, bytes: 1 },
    "Unable to open shared memory region: 'x'",
  ],
  [
    "more than the object has",
    { name: "x", key: "k", offset: 5, bytes: 4 },
    '"k" has 8 bytes, got offset 5 and size 4',
  ],
  ["a path", { name: "x", key: "../k", offset: 0, bytes: 1 }, "expected the name of a shared memory object"],
  ["the folder above", { name: "x", key: "..", offset: 0, bytes: 1 }, "expected the name of a shared memory object"],
  ["a folder", { name: "x", key: ".", offset: 0, bytes: 1 }, "expected the name of a shared memory object"],
  ["a link", { name: "x", key: "link", offset: 0, bytes: 1 }, "Unable to open"],
  ["no name", { name: "", key: "k", offset: 0, bytes: 1 }, "expected a name"],
])("registering refuses %s", (_what, region, message) => {
  object("k", new Uint8Array(8));
  symlinkSync("/etc/hostname", join(folder, "link"));
  memory.register({ name: "r", key: "k", offset: 0, bytes: 8 });
  expect(() => memory.register(region)).toThrow(message);
});

test("parts beyond their region, outputs beyond their part and regions that are gone are refused", () => {
  object("k", new Uint8Array(8));
  memory.register({ name: "r", key: "k", offset: 0, bytes: 4 });
  expect(() => runNow(memory.reader()({ region: "r", offset: 2, bytes: 3 }))).toThrow("'r' has 4 bytes, got 2 + 3");
  expect(() => runNow(memory.write({ region: "r", offset: 0, bytes: 2 }, new Uint8Array(3)))).toThrow(
    "needs 3 bytes, 2 were given",
  );
  memory.unregister("r");
  expect(() => runNow(memory.reader()({ region: "r", offset: 0, bytes: 1 }))).toThrow(
    "Unable to find shared memory region: 'r'",
  );
  memory.unregister("r");
});

test("an object that has become shorter is said to end, and a region may go while it is read", () => {
  object("k", new Uint8Array(2 * 1024 * 1024).fill(7));
  memory.register({ name: "r", key: "k", offset: 0, bytes: 2 * 1024 * 1024 });
  const work = memory.reader()({ region: "r", offset: 0, bytes: 2 * 1024 * 1024 });
  work.next();
  memory.unregister();
  const step = work.next();
  expect(step.done === true && step.value.every((byte) => byte === 7)).toBe(true);
  memory.register({ name: "r", key: "k", offset: 0, bytes: 2 * 1024 * 1024 });
  truncateSync(join(folder, "k"), 10);
  expect(() => runNow(memory.reader()({ region: "r", offset: 0, bytes: 20 }))).toThrow("ends after 10 bytes");
});

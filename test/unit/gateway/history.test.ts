import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { HISTORY_ENTRIES, openFileHistory, openMemoryHistory } from "../../../gateway/history.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-history-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = (i: number) => ({
  at: "2026-01-01T00:00:00.000Z",
  who: "me",
  why: "because",
  how: "admin",
  text: `text ${i}`,
  overrides: [{ path: ["models", "m", "weights", i], value: i, was: "" }],
});

describe.each([
  ["in memory", openMemoryHistory],
  ["in a file", () => openFileHistory(join(folder, "fifty.db"))],
])("the history %s", (_where, open) => {
  test("has the last fifty, the newest first", () => {
    const history = open();
    for (let i = 1; i <= 60; i += 1) expect(history.add(entry(i))).toEqual({ ...entry(i), id: i });
    const list = history.list();
    expect(list).toHaveLength(HISTORY_ENTRIES);
    expect(list[0]).toEqual({ ...entry(60), id: 60 });
    expect(list.at(-1)).toEqual({ ...entry(11), id: 11 });
    history.close();
  });
});

test("a file is there again when it is opened again, and only its owner may read it", () => {
  const file = join(folder, "again.db");
  const first = openFileHistory(file);
  first.add(entry(1));
  first.close();
  const again = openFileHistory(file);
  expect(again.list()).toEqual([{ ...entry(1), id: 1 }]);
  expect(again.add(entry(2)).id).toBe(2);
  again.close();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a file that is something else is refused by its name and left alone", () => {
  const file = join(folder, "notes.txt");
  writeFileSync(file, "these are notes, and no database at all".repeat(40));
  const size = statSync(file).size;
  expect(() => openFileHistory(file)).toThrow(`admin.history: expected a file for the history, got ${file}`);
  expect(statSync(file).size).toBe(size);
});

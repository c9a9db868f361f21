// The configs that were in force, the last fifty of them: in memory, or in a file that a restart leaves.

import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { HistoryEntry } from "../core/change.ts";
import { InferError } from "../core/error.ts";

/** How many are remembered. */
export const HISTORY_ENTRIES = 50;

export interface History {
  /** The last one first. */
  list(): readonly HistoryEntry[];
  /** Remembers what came into force, and forgets the oldest. */
  add(entry: Omit<HistoryEntry, "id">): HistoryEntry;
  close(): void;
}

/** Gone with the process. */
export function openMemoryHistory(): History {
  let entries: readonly HistoryEntry[] = [];
  return {
    list: () => entries,
    add(init) {
      const entry = { ...init, id: (entries[0]?.id ?? 0) + 1 };
      entries = [entry, ...entries].slice(0, HISTORY_ENTRIES);
      return entry;
    },
    close() {},
  };
}

const OVERRIDES = z.array(
  z.object({
    path: z.array(z.union([z.string(), z.number()])),
    value: z.union([z.string(), z.number()]),
    was: z.string(),
  }),
);

const ROW = z.object({
  id: z.number(),
  at: z.string(),
  who: z.string(),
  why: z.string(),
  how: z.string(),
  text: z.string(),
  overrides: z.string().transform((text) => OVERRIDES.parse(JSON.parse(text))),
});

const TABLE = `CREATE TABLE IF NOT EXISTS configs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, how TEXT NOT NULL,
  text TEXT NOT NULL, overrides TEXT NOT NULL)`;

/**
 * In a database that several processes may share; only its owner may read the file, as a config may hold secrets.
 *
 * @throws InferError invalid-argument when the file cannot be opened or is something else
 */
export function openFileHistory(file: string): History {
  try {
    closeSync(openSync(file, "a", 0o600));
    const base = new DatabaseSync(file, { timeout: 2_000 });
    base.exec(TABLE);
    return historyIn(base);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new InferError("invalid-argument", `admin.history: expected a file for the history, got ${file}: ${text}`, {
      cause: error,
    });
  }
}

function historyIn(base: DatabaseSync): History {
  const select = base.prepare("SELECT * FROM configs ORDER BY id DESC LIMIT ?");
  const insert = base.prepare("INSERT INTO configs (at, who, why, how, text, overrides) VALUES (?, ?, ?, ?, ?, ?)");
  const forget = base.prepare("DELETE FROM configs WHERE id <= ?");
  return {
    list: () => select.all(HISTORY_ENTRIES).map((row) => ROW.parse(row)),
    add(entry) {
      const { at, who, why, how, text, overrides } = entry;
      const { lastInsertRowid } = insert.run(at, who, why, how, text, JSON.stringify(overrides));
      const id = Number(lastInsertRowid);
      forget.run(id - HISTORY_ENTRIES);
      return { ...entry, id };
    },
    close: () => base.close(),
  };
}

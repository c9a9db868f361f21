// Changes of the config in force: what an operator asks for, what is said of it, and what is remembered.

/** A value that stands in place of the file's, for as long as the file has there what it had. */
export interface Override {
  /** The way to it through the words of the config. */
  readonly path: readonly (string | number)[];
  readonly value: string | number;
  /** What the file had there, as text; empty where it had nothing, absent until that is known. */
  readonly was?: string;
}

/** Who changes something, and why. */
export interface Note {
  readonly who: string;
  readonly why: string;
}

/** A config that was in force. */
export interface HistoryEntry extends Note {
  /** Counts up; the last one is in force. */
  readonly id: number;
  /** When it came into force, in ISO 8601. */
  readonly at: string;
  /** What brought it: `start`, `file`, `admin`, `patch`, `rollback to 3`. */
  readonly how: string;
  /** The config as it was written, without the overrides. */
  readonly text: string;
  readonly overrides: readonly Override[];
}

/** What came of a change: it is in force, or nothing has changed. */
export type Change =
  | { readonly ok: true; readonly entry: HistoryEntry; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** What the last requests for a model say of a change: how many users would get another version. */
export interface PlannedModel {
  readonly model: string;
  readonly requests: number;
  /** Those of the requests that belong to no unit, or whose way depends on whose turn it is. */
  readonly inTurns: number;
  /** Different units among the others. */
  readonly users: number;
  readonly moved: number;
  /** How many users by their move: `1 -> 2`. */
  readonly moves: Readonly<Record<string, number>>;
}

/** What a change would mean, or why it cannot be made. */
export type Plan =
  | {
      readonly ok: true;
      /** One line a difference. */
      readonly changes: readonly string[];
      readonly warnings: readonly string[];
      readonly models: readonly PlannedModel[];
    }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** What an operator may do with the config while the gateway runs; changes are made one after the other. */
export interface Changes {
  inForce(): HistoryEntry;
  /** The last ones, the one in force first. */
  history(): readonly HistoryEntry[];
  /** Puts another config in force. */
  put(text: string, note: Note): Promise<Change>;
  /** Moves a percentage, weights or labels of one model's route. @param words what the operator sent, not yet looked at */
  patch(model: string, words: unknown, note: Note): Promise<Change>;
  /** Back to an earlier one; to the one before this where none is named. */
  rollback(to: number | undefined, note: Note): Promise<Change>;
  /** What another config would mean; nothing is changed. */
  plan(text: string): Promise<Plan>;
}

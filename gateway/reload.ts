// Changes of the config while the gateway runs: checked whole, put in force in one step, remembered; or refused with all reasons.

import type { Config } from "../config/config.ts";
import type { Loaded } from "../config/load.ts";
import { formatMistake } from "../config/mistakes.ts";
import type { Change, Changes, HistoryEntry, Note, Override, PlannedModel } from "../core/change.ts";
import type { Log } from "../core/env.ts";
import { asInferError } from "../core/error.ts";
import type { PolicyKind } from "../core/policy.ts";
import type { History } from "./history.ts";
import { describeChanges } from "./plan.ts";
import { readRoutePatch } from "./route-patch.ts";

/** Reads a config's text with values of an operator in their places; never throws. */
export type LoadText = (text: string, overrides: readonly Override[]) => Loaded;

export interface ChangesOptions {
  readonly load: LoadText;
  /** The config in force at the start, as it was written. */
  readonly text: string;
  readonly overrides: readonly Override[];
  readonly history: History;
  readonly kinds: readonly PolicyKind[];
  config(): Config;
  /** Puts a config in force; what is to be said of that. @throws InferError when it makes no sense; nothing has changed then */
  replace(config: Config): Promise<readonly string[]>;
  /** What the last requests say of another config. */
  replay(config: Config): Promise<readonly PlannedModel[]>;
  /** The time of day, in ISO 8601. */
  time(): string;
  readonly log: Log;
}

/** What only the process itself may do: look at its file. */
export interface FileChanges extends Changes {
  /** The file as it is now, where that is another text than when it was last looked at; `again` looks whatever it is. */
  file(text: string, options: { readonly again: boolean; readonly note: Note }): Promise<Change | undefined>;
}

interface Wanted {
  readonly text: string;
  readonly overrides: readonly Override[];
  readonly how: string;
  readonly note: Note;
}

export function openChanges(options: ChangesOptions): FileChanges {
  const { history, log } = options;
  let inForce = begin(options);
  let fileText = options.text;
  let last: Promise<unknown> = Promise.resolve();

  // one after the other, each from what the one before has left
  const inTurn = <T>(change: () => Promise<T>): Promise<T> => {
    const changed = last.then(change);
    last = changed.catch(() => {});
    return changed;
  };
  // what is in force is in force, whether or not it can be written down
  const remember = (entry: Omit<HistoryEntry, "id">): HistoryEntry => {
    try {
      return history.add(entry);
    } catch (error) {
      log.error({ err: error }, "the history cannot be written; the change is in force all the same");
      return { ...entry, id: inForce.id + 1 };
    }
  };
  const accept = async ({ text, overrides, how, note }: Wanted): Promise<Change> => {
    const loaded = options.load(text, overrides);
    if (!loaded.ok) {
      const { file } = options.config();
      return refused(
        log,
        how,
        loaded.mistakes.map((mistake) => formatMistake(mistake, how === "file" ? file : how)),
      );
    }
    try {
      const later = await options.replace(loaded.config);
      const warnings = [...loaded.warnings, ...later];
      inForce = remember({ at: options.time(), ...note, how, text, overrides: loaded.overrides });
      for (const warning of warnings) log.warn({ how }, warning);
      log.info({ how, id: inForce.id, who: note.who, why: note.why }, "the config was changed");
      return { ok: true, entry: inForce, warnings };
    } catch (error) {
      return refused(log, how, asInferError(error).message.split("\n"));
    }
  };

  return {
    inForce: () => inForce,
    history: history.list,
    put: (text, note) => inTurn(() => accept({ text, overrides: inForce.overrides, how: "admin", note })),
    patch: (model, words, note) =>
      inTurn(async () => {
        const { edits, reasons } = readRoutePatch(words, { config: options.config(), model, kinds: options.kinds });
        if (reasons.length > 0) return { ok: false, reasons };
        return accept({ text: inForce.text, overrides: merged(inForce.overrides, edits), how: "patch", note });
      }),
    rollback: (to, note) =>
      inTurn(async () => {
        const entries = history.list();
        const entry = to === undefined ? entries[1] : entries.find(({ id }) => id === to);
        if (entry !== undefined) {
          const { text, overrides, id } = entry;
          return accept({ text, overrides, how: `rollback to ${id}`, note });
        }
        const known = entries.map(({ id }) => id).join(", ");
        if (to === undefined)
          return { ok: false, reasons: ["expected an earlier config, got none: nothing has changed yet"] };
        return { ok: false, reasons: [`to: expected one of ${known}, got ${to}`] };
      }),
    async plan(text) {
      const loaded = options.load(text, inForce.overrides);
      if (!loaded.ok) return { ok: false, reasons: loaded.mistakes.map((mistake) => formatMistake(mistake, "plan")) };
      const { config, warnings } = loaded;
      const changes = describeChanges(options.config(), config);
      return { ok: true, changes, warnings, models: await options.replay(config) };
    },
    file: (text, { again, note }) =>
      inTurn(async () => {
        if (text === fileText && (!again || text === inForce.text)) return undefined;
        fileText = text;
        return accept({ text, overrides: inForce.overrides, how: "file", note });
      }),
  };
}

function begin({ history, text, overrides, time }: ChangesOptions): HistoryEntry {
  const [last] = history.list();
  if (last !== undefined && last.text === text && same(last.overrides, overrides)) return last;
  return history.add({ at: time(), who: "process", why: "", how: "start", text, overrides });
}

function same(a: readonly Override[], b: readonly Override[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function refused(log: Log, how: string, reasons: readonly string[]): Change {
  const many = reasons.length === 1 ? "1 mistake" : `${reasons.length} mistakes`;
  log.error({ how, reasons }, `a change of the config was refused, ${many}; the one in force stays`);
  return { ok: false, reasons };
}

/** A later value for the same place stands for the earlier one, against the same value of the file. */
function merged(before: readonly Override[], edits: readonly Override[]): readonly Override[] {
  const key = ({ path }: Override) => JSON.stringify(path);
  const all = new Map(before.map((one) => [key(one), one]));
  for (const edit of edits) {
    const was = all.get(key(edit))?.was;
    all.set(key(edit), was === undefined ? edit : { ...edit, was });
  }
  return [...all.values()];
}

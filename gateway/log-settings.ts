// The level of the gateway's log in Triton's words for it.

import type { Log, LogLevel } from "../core/env.ts";
import { InferError, invalid } from "../core/error.ts";
import type { LogSettings, SettingValue } from "../core/operator.ts";

/** Triton's words, from the least important line to the most. */
const LEVELS = [
  { word: "log_verbose_level", level: "debug" },
  { word: "log_info", level: "info" },
  { word: "log_warning", level: "warn" },
  { word: "log_error", level: "error" },
] as const;

/**
 * Triton turns kinds of lines on and off one by one, this log has one threshold: it is that of the least important kind
 * that is on, and what is more important is on with it. Reading shows what holds.
 */
export function openLogSettings(log: Log): LogSettings {
  return {
    get: () => wordsOf(log.level ?? "silent"),
    change(changes) {
      const words = new Map(wordsOf(log.level ?? "silent"));
      for (const [word, value] of changes) words.set(word, checked(word, value));
      if (log.level === undefined) throw new InferError("unsupported", "this log has no level to be set");
      log.level = levelOf(words);
    },
  };
}

function wordsOf(level: LogLevel): ReadonlyMap<string, SettingValue> {
  const from = LEVELS.findIndex((each) => each.level === level);
  const isOn = (index: number) => from >= 0 && index >= from;
  return new Map<string, SettingValue>([
    ["log_file", ""],
    ["log_info", isOn(1)],
    ["log_warning", isOn(2)],
    ["log_error", isOn(3)],
    ["log_verbose_level", isOn(0) ? 1 : 0],
    ["log_format", "default"],
  ]);
}

function levelOf(words: ReadonlyMap<string, SettingValue>): LogLevel {
  return LEVELS.find(({ word }) => words.get(word) === true || Number(words.get(word)) > 0)?.level ?? "silent";
}

function checked(word: string, value: SettingValue): SettingValue {
  if (word === "log_verbose_level") {
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    throw invalid(`setting "${word}": expected a whole number of at least 0, got ${JSON.stringify(value)}`);
  }
  if (word === "log_file" || word === "log_format") {
    const only = word === "log_file" ? "" : "default";
    if (value === only) return value;
    throw new InferError("unsupported", `setting "${word}": expected ${JSON.stringify(only)}, which cannot be changed`);
  }
  if (!LEVELS.some((each) => each.word === word))
    throw invalid(`unknown log setting ${JSON.stringify(word.slice(0, 40))}`);
  if (typeof value === "boolean") return value;
  throw invalid(`setting "${word}": expected true or false, got ${JSON.stringify(value)}`);
}

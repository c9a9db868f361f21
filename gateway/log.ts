// The log: one JSON line an event, or readable lines on a terminal; the one door to pino.

import { destination, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Log, LogLevel } from "../core/env.ts";
import { systemClock } from "./env.ts";

export interface ProcessLog extends Log {
  /** Writes out what is still held back. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Readable, coloured lines instead of JSON. */
  readonly pretty: boolean;
}

/** Bytes held back before a write, so that a busy gateway writes once for many lines. */
const HOLD_BYTES = 4096;
/** A line is held for no longer than this, in milliseconds. */
const FLUSH_MS = 250;

/** The process's log on standard error, which leaves standard output to what commands print. */
export function openLog(options: LogOptions): ProcessLog {
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.pretty) {
    const stream = pretty({ colorize: true, destination: 2, ignore: "traceparent,peer", singleLine: true, sync: true });
    return logOf(pino(base, stream), () => {});
  }
  const stream = destination({ dest: 2, sync: false, minLength: HOLD_BYTES });
  // by a timer that runs only while lines are held: sonic-boom's own would wake a process that has nothing to say
  let isDue = false;
  const holds = () => {
    if (isDue) return;
    isDue = true;
    systemClock.after(FLUSH_MS, () => {
      isDue = false;
      stream.flush();
    });
  };
  return logOf(pino(base, stream), () => stream.flushSync(), holds);
}

/** @param holds called when a line may be held back */
function logOf(logger: Logger, flush: () => void, holds: () => void = () => {}): ProcessLog {
  const say =
    (level: Exclude<LogLevel, "silent">): Log["info"] =>
    (fields, message) => {
      if (!logger.isLevelEnabled(level)) return;
      logger[level](fields, message);
      holds();
    };
  return {
    get level() {
      return logger.level as LogLevel;
    },
    set level(level) {
      logger.level = level;
    },
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    flush() {
      try {
        flush();
      } catch {
        // the stream is not open yet or already closed: there is nobody left to tell
      }
    },
  };
}

// The log: one JSON line an event, or readable lines on a terminal; the one door to pino.

import { destination, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Log, LogLevel } from "../core/env.ts";

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
/** Held lines are written at least this often, in milliseconds. */
const FLUSH_MS = 250;

/** The process's log on standard error, which leaves standard output to what commands print. */
export function openLog(options: LogOptions): ProcessLog {
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.pretty) {
    const stream = pretty({ colorize: true, destination: 2, ignore: "traceparent,peer", singleLine: true, sync: true });
    return logOf(pino(base, stream), () => {});
  }
  const stream = destination({ dest: 2, sync: false, minLength: HOLD_BYTES, periodicFlush: FLUSH_MS });
  return logOf(pino(base, stream), () => stream.flushSync());
}

function logOf(logger: Logger, flush: () => void): ProcessLog {
  return {
    get level() {
      return logger.level as LogLevel;
    },
    set level(level) {
      logger.level = level;
    },
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    flush() {
      try {
        flush();
      } catch {
        // the stream is not open yet or already closed: there is nobody left to tell
      }
    },
  };
}

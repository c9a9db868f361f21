// The log: one JSON line an event, or readable lines on a terminal; the one door to pino.

import { destination, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Log, LogLevel } from "../core/env.ts";
import { isoTime, systemClock } from "./env.ts";

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
const HOLD_BYTES = 12 * 1024;
/**
 * Lines held back before they are put into words. Between two runs of a large model each line alone has to fetch all of pino's
 * code into the caches again (6 % of the main thread's profile of such requests); several at a time fetch it once.
 */
const HOLD_LINES = 32;
/** A line is held for no longer than this, in milliseconds. */
const FLUSH_MS = 250;

/** The process's log on standard error, which leaves standard output to what commands print. */
export function openLog(options: LogOptions): ProcessLog {
  return options.pretty ? prettyLog(options.level) : jsonLog(options.level);
}

function prettyLog(level: LogLevel): ProcessLog {
  const stream = pretty({ colorize: true, destination: 2, ignore: "traceparent,peer", singleLine: true, sync: true });
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return logOf(logger, { say: (line) => write(logger, line), flush: () => {} });
}

function jsonLog(level: LogLevel): ProcessLog {
  const stream = destination({ dest: 2, sync: false, minLength: HOLD_BYTES });
  const held: Line[] = [];
  let now = 0;
  const logger = pino({ level, base: null, timestamp: () => `,"time":"${isoTime(now)}"` }, stream);
  const writeHeld = () => {
    for (const line of held.splice(0)) {
      now = line.at;
      write(logger, line);
    }
  };
  // pino flushes the stream when the process ends, and what is held has to be there by then
  const { flush, flushSync } = stream;
  stream.flush = (done) => {
    writeHeld();
    flush.call(stream, done);
  };
  stream.flushSync = () => {
    writeHeld();
    flushSync.call(stream);
  };
  // by a timer that runs only while lines are held: sonic-boom's own would wake a process that has nothing to say
  let isDue = false;
  const flushSoon = () => {
    if (isDue) return;
    isDue = true;
    systemClock.after(FLUSH_MS, () => {
      isDue = false;
      stream.flush();
    });
  };
  return logOf(logger, {
    say(line) {
      held.push(line);
      if (held.length >= HOLD_LINES) writeHeld();
      flushSoon();
    },
    flush: () => stream.flushSync(),
    beforeLevel: writeHeld,
  });
}

type SaidLevel = Exclude<LogLevel, "silent">;

interface Line {
  readonly level: SaidLevel;
  readonly fields: object;
  readonly message: string;
  /** On the clock on the wall. */
  readonly at: number;
}

function write(logger: Logger, { level, fields, message }: Line): void {
  logger[level](fields, message);
}

interface Lines {
  say(line: Line): void;
  flush(): void;
  /** What was said before stays said, whatever the level is then. */
  beforeLevel?(): void;
}

function logOf(logger: Logger, lines: Lines): ProcessLog {
  const say =
    (level: SaidLevel): Log["info"] =>
    (fields, message) => {
      if (logger.isLevelEnabled(level)) lines.say({ level, fields, message, at: systemClock.wall() });
    };
  let set = logger.level as LogLevel;
  return {
    get level() {
      return set;
    },
    set level(level) {
      lines.beforeLevel?.();
      logger.level = level;
      set = level;
    },
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    flush() {
      try {
        lines.flush();
      } catch {
        // the stream is not open yet or already closed: there is nobody left to tell
      }
    },
  };
}

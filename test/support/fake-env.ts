// An Env whose time stands still until the test moves it, whose chance is seeded, and which remembers what was said.

import type { Clock, Env, Log } from "../../core/env.ts";
import type { Event } from "../../core/event.ts";

export interface FakeClock extends Clock {
  /** Moves time on, running the timers that fall due in their order. */
  advance(ms: number): void;
  /** Timers that are set. */
  readonly pending: number;
}

export function fakeClock(start = 0): FakeClock {
  let now = start;
  let serial = 0;
  const timers = new Map<number, { readonly at: number; readonly callback: () => void }>();
  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    after(ms, callback) {
      const id = ++serial;
      timers.set(id, { at: now + ms, callback });
      return () => timers.delete(id);
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const due = [...timers]
          .filter(([, timer]) => timer.at <= until)
          .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
        if (due === undefined) break;
        timers.delete(due[0]);
        now = due[1].at;
        due[1].callback();
      }
      now = until;
    },
    get pending() {
      return timers.size;
    },
  };
}

/** A small seeded generator (mulberry32): the same numbers on every run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface FakeEnv extends Env {
  readonly clock: FakeClock;
  readonly events: readonly Event[];
  readonly lines: readonly { readonly level: string; readonly fields: object; readonly message: string }[];
}

export function fakeEnv(seed = 1): FakeEnv {
  const events: Event[] = [];
  const lines: { level: string; fields: object; message: string }[] = [];
  const line = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  const log: Log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  return {
    clock: fakeClock(),
    random: seededRandom(seed),
    emit: (event) => events.push(event),
    log,
    variables: {},
    events,
    lines,
  };
}

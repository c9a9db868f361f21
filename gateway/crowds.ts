// Which requests need not be read, because most of their kind are refused: the throttle that Google puts at clients, at the door.
// Source: Site Reliability Engineering, "Handling Overload", client-side throttling: (requests - K * accepts) / (requests + 1).

import type { Config } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import { type Code, InferError } from "../core/error.ts";
import type { Crowds, Kind } from "../core/protocol.ts";
import { cachedModels } from "./answers.ts";

/** So many are read for each that is let in: those who choose among them, by deadline and time of coming, have a choice. */
const TIMES = 1.5;
/** At most this share is refused unread, so that it is seen when there is room again. */
const MOST = 0.9;
/** Of one kind: fewer refusals in a window cost too little to be avoided. */
const LEAST = 100;
/** What is remembered are this window and the one before, in milliseconds. */
const WINDOW_MS = 1000;
/** Kinds that are followed at once; the others are read. */
const KINDS = 256;

/** What was late by its own deadline, or left: it found no room, and might have found some. */
const SAY_NOTHING: ReadonlySet<Code> = new Set(["overloaded", "deadline-exceeded", "cancelled"]);

interface Counts {
  letIn: number;
  refused: number;
}

interface Crowd {
  since: number;
  now: Counts;
  before: Counts;
  retryAfterMs: number;
}

/** @param follows whether requests for the model go one way, so that what became of some tells of others */
export function openCrowds(env: Env, follows: (model: string) => boolean): Crowds {
  const { clock } = env;
  const crowds = new Map<string, Crowd>();
  const keyOf = ({ model, version, tenant }: Kind) => `${model}\u0000${version}\u0000${tenant}`;
  /** Of those that nobody has refused for two windows nothing is kept. */
  const sweep = (now: number) => {
    for (const [key, { since }] of crowds) if (now - since >= 2 * WINDOW_MS) crowds.delete(key);
  };
  const find = (key: string): Crowd | undefined => {
    const crowd = crowds.get(key);
    if (crowd === undefined) return undefined;
    const now = clock.now();
    const age = now - crowd.since;
    if (age < WINDOW_MS) return crowd;
    if (age >= 2 * WINDOW_MS || crowd.now.refused + crowd.before.refused === 0) {
      crowds.delete(key);
      return undefined;
    }
    crowd.before = crowd.now;
    crowd.now = { letIn: 0, refused: 0 };
    crowd.since = now;
    return crowd;
  };
  const open = (key: string): Crowd | undefined => {
    const now = clock.now();
    if (crowds.size >= KINDS) sweep(now);
    if (crowds.size >= KINDS) return undefined;
    const none = (): Counts => ({ letIn: 0, refused: 0 });
    const crowd: Crowd = { since: now, now: none(), before: none(), retryAfterMs: 0 };
    crowds.set(key, crowd);
    return crowd;
  };
  return {
    get any() {
      return crowds.size > 0;
    },
    refusal(kind) {
      const crowd = find(keyOf(kind));
      if (crowd === undefined) return undefined;
      const refused = crowd.now.refused + crowd.before.refused;
      if (refused < LEAST) return undefined;
      const letIn = crowd.now.letIn + crowd.before.letIn;
      const asked = refused + letIn;
      const share = Math.min(MOST, (asked - TIMES * letIn) / (asked + 1));
      if (env.random() >= share) return undefined;
      crowd.now.refused += 1;
      env.emit({ type: "shed", of: { at: "model", model: kind.model }, reason: "unread" });
      return unread(kind.model, crowd.retryAfterMs);
    },
    ended(kind, fault) {
      const key = keyOf(kind);
      const isRefused = fault?.crowded === true;
      if (isRefused && !follows(kind.model)) return;
      const crowd = find(key) ?? (isRefused ? open(key) : undefined);
      if (crowd === undefined) return;
      if (isRefused) {
        crowd.now.refused += 1;
        crowd.retryAfterMs = fault.retryAfterMs ?? crowd.retryAfterMs;
      } else if (fault === undefined || !SAY_NOTHING.has(fault.code)) crowd.now.letIn += 1;
    },
  };
}

function unread(model: string, retryAfterMs: number): InferError {
  const text = `model "${model}" has more work than it can do: most of what is asked is refused, and this was not read`;
  return new InferError("overloaded", text, { retryable: "later", retryAfterMs, unsent: true, crowded: true });
}

/** Models whose requests all go to one backend, and are answered by it alone: neither a route nor a cache decides what becomes of them. */
export function goOneWay(config: Pick<Config, "models">): (model: string) => boolean {
  const { models } = config;
  if (models === undefined) return () => true;
  const cached = cachedModels(config);
  const oneWay = models.filter(
    ({ name, runs, route }) => runs.by === "backend" && route === undefined && !cached.has(name),
  );
  const names = new Set(oneWay.map(({ name }) => name));
  return (model) => names.has(model);
}

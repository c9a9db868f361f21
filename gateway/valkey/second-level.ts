// The second level of the cache: answers and generations that replicas share in Valkey.

import { createHmac } from "node:crypto";
import type { Env } from "../../core/env.ts";
import type { Places, Scope, SecondLevel, SecondLooks, StoredAnswer } from "../../policies/cache/second-level.ts";
import type { Answer, Command, Valkey } from "../valkey.ts";
import { dataBytes } from "./answers.ts";
import type { Frames } from "./frame.ts";
import { openScopes } from "./scopes.ts";

export interface SecondLevelOptions {
  readonly valkey: Valkey;
  readonly frames: Frames;
  readonly env: Env;
  /** The first part of every key. */
  readonly prefix: string;
  /** Keys the names of scopes, which are of one length whatever a tenant is called. */
  readonly secret: string;
  /** A name for a new generation, never given twice. */
  readonly newGeneration: () => string;
}

/** Answers that are on their way there at once; beyond them one is not kept, so that few bytes wait for a slow store. */
const MAX_WRITING = 64;

/** How long a generation outlives the last answer that was kept under it, so that every key ends one day. */
const GENERATION_MS = 24 * 60 * 60 * 1000;

/** So many answers are read by one command of a round trip, so that the store may serve others between two of them. */
const READ_AT_ONCE = 128;
/** Of several answers so many, or about so many bytes, are written in one go. */
const WRITE_AT_ONCE = 16;
const WRITE_BYTES = 256 * 1024;
/** Values that are read from their bytes in one turn of the event loop: about a millisecond. */
const DECODE_AT_ONCE = 32;

const NO_KEY = new Uint8Array(0);

/**
 * Answers lie under the question's digest and name the generations that they were made under; a generation is a random
 * name under its scope's key. A generation that was evicted or has ended gets a new name, so what was kept before is never
 * found again: forgetting is safe.
 */
export function openSecondLevel(options: SecondLevelOptions): SecondLevel & { close(): void } {
  const { valkey, frames, env, prefix, newGeneration } = options;
  const scopeKey = ({ model, tenant }: Scope) => {
    const words = JSON.stringify(tenant === undefined ? [model] : [model, tenant]);
    const name = createHmac("sha256", options.secret).update("scope").update(words).digest("base64url").slice(0, 22);
    return `${prefix}:g:${name}`;
  };
  const answerKey = (key: Uint8Array) => `${prefix}:a:${Buffer.from(key).toString("base64url")}`;
  const scopes = openScopes({ valkey, channel: `${prefix}:raised`, env, keyOf: scopeKey });

  let writing = 0;
  const frame = async (key: string, generations: readonly string[], stored: StoredAnswer): Promise<Command[]> => {
    const lastsMs = lastsOf(stored);
    if (lastsMs <= 0) return [];
    const value = await frames.write(key, { generations, stored });
    if (value === undefined) env.emit({ type: "store-refused", reason: "too-large" });
    return value === undefined ? [] : [["SET", key, value, "PX", lastsMs]];
  };
  /** False when the store is away. */
  const send = async (sets: readonly Command[], scopesOf: readonly string[], lastsMs: number): Promise<boolean> => {
    const outlives = GENERATION_MS + lastsMs;
    const answers = await valkey.ask([...sets, ...scopesOf.map((key): Command => ["PEXPIRE", key, outlives, "GT"])]);
    for (const answer of answers?.slice(0, sets.length) ?? []) {
      if (!(answer instanceof Error)) continue;
      // the word with which a server of either kind says that its memory is full
      env.emit({ type: "store-refused", reason: answer.message.startsWith("OOM") ? "full" : "other" });
    }
    return answers !== undefined;
  };
  const write = async ({ keys, scopes: of }: Places, generations: readonly string[], all: readonly StoredAnswer[]) => {
    const ofScopes = of.map(scopeKey);
    let sets: Command[] = [];
    let bytes = 0;
    for (const [i, stored] of all.entries()) {
      sets.push(...(await frame(answerKey(keys[i] ?? NO_KEY), generations, stored)));
      bytes += dataBytes(stored.answer);
      const isLast = i === all.length - 1;
      if (sets.length === 0 || !(isLast || sets.length >= WRITE_AT_ONCE || bytes >= WRITE_BYTES)) continue;
      if (!(await send(sets, ofScopes, Math.max(...all.map(lastsOf))))) return;
      sets = [];
      bytes = 0;
      if (!isLast) await breath();
    }
  };
  const lastsOf = ({ madeAt, keepMs }: StoredAnswer) => Math.ceil(madeAt + keepMs - env.clock.wall());

  const unwatched = (all: readonly Scope[]) => {
    for (const scope of all) scopes.missed(scopeKey(scope), scope);
  };

  /** The names of the generations, and the values, in one round trip. */
  const read = async (ofScopes: readonly string[], keys: readonly string[], before: readonly Command[] = []) => {
    const [first = [], ...others] = inParts(keys, READ_AT_ONCE);
    // what is read under a generation is read with it or after it: a purge in between is one after the look-up
    const reads = [[...ofScopes, ...first], ...others].map((names): Command => ["MGET", ...names]);
    const answers = (await valkey.ask([...before, ...reads]))?.slice(before.length);
    if (answers?.every((answer) => Array.isArray(answer)) !== true) return undefined;
    const all = (answers as readonly (readonly Answer[])[]).flat();
    return { names: all.slice(0, ofScopes.length), values: all.slice(ofScopes.length) };
  };

  const getAll = async ({ keys, scopes: of }: Places): Promise<SecondLooks | undefined> => {
    const ofScopes = of.map(scopeKey);
    const named = keys.map(answerKey);
    let looked = await read(ofScopes, named);
    if (looked?.names.includes(null)) {
      // once in a scope's life: whoever is first gives it its name, and all read the same one; nothing is kept under it yet
      const claims = ofScopes.map((scope): Command => ["SET", scope, newGeneration(), "PX", GENERATION_MS, "NX"]);
      looked = await read(ofScopes, [], claims);
    }
    if (looked === undefined || !looked.names.every((name) => name instanceof Uint8Array)) {
      unwatched(of);
      return undefined;
    }
    const generations = looked.names.map((name) => Buffer.from(name).toString());
    for (const [i, scope] of of.entries()) scopes.saw(ofScopes[i] ?? "", scope, generations[i] ?? "");
    const stored: (StoredAnswer | undefined)[] = [];
    for (const [i, key] of named.entries()) {
      if (i > 0 && i % DECODE_AT_ONCE === 0) await breath();
      stored.push(await readValue(key, looked.values[i], generations));
    }
    return { generations, stored };
  };
  const readValue = async (key: string, value: Answer | undefined, generations: readonly string[]) => {
    if (!(value instanceof Uint8Array)) return undefined;
    const kept = await frames.read(key, value);
    if (kept === "spoiled") env.emit({ type: "store-spoiled" });
    return typeof kept !== "string" && same(kept.generations, generations) ? kept.stored : undefined;
  };
  const setAll: SecondLevel["setAll"] = (places, generations, stored) => {
    if (!stored.some((one) => lastsOf(one) > 0) || writing >= MAX_WRITING || !valkey.available()) return;
    writing += 1;
    void write(places, generations, stored).finally(() => {
      writing -= 1;
    });
  };

  return {
    async get({ key, scopes: of }) {
      const looks = await getAll({ keys: [key], scopes: of });
      return looks === undefined ? undefined : { generations: looks.generations, stored: looks.stored[0] };
    },
    getAll,
    set: ({ key, scopes: of }, generations, stored) => setAll({ keys: [key], scopes: of }, generations, [stored]),
    setAll,
    unwatched,
    async raise(scope) {
      // to forget the name is enough, and a store that is full can still forget
      const answers = await valkey.ask([["MULTI"], ["UNLINK", scopeKey(scope)], scopes.tell(scope), ["EXEC"]]);
      return Array.isArray(answers?.at(-1));
    },
    onRaise: scopes.onRaise,
    close: scopes.close,
  };
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

function inParts<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most));
}

/** Lets the event loop turn. */
function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

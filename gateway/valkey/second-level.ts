// The second level of the cache: answers and generations that replicas share in Valkey.

import { createHmac } from "node:crypto";
import type { Env } from "../../core/env.ts";
import type { Place, Scope, SecondLevel } from "../../policies/cache/second-level.ts";
import type { Answer, Command, Valkey } from "../valkey.ts";
import type { KeptAnswer } from "./answers.ts";
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
  const answerKey = ({ key }: Place) => `${prefix}:a:${Buffer.from(key).toString("base64url")}`;
  const scopes = openScopes({ valkey, channel: `${prefix}:raised`, env, keyOf: scopeKey });

  let writing = 0;
  const write = async (place: Place, kept: KeptAnswer, lastsMs: number): Promise<void> => {
    const key = answerKey(place);
    const value = await frames.write(key, kept);
    if (value === undefined) {
      env.emit({ type: "store-refused", reason: "too-large" });
      return;
    }
    const outlives = GENERATION_MS + lastsMs;
    const answers = await valkey.ask([
      ["SET", key, value, "PX", lastsMs],
      ...place.scopes.map((scope): Command => ["PEXPIRE", scopeKey(scope), outlives, "GT"]),
    ]);
    const [error] = answers ?? [];
    if (!(error instanceof Error)) return;
    // the word with which a server of either kind says that its memory is full
    env.emit({ type: "store-refused", reason: error.message.startsWith("OOM") ? "full" : "other" });
  };

  const ask = async (key: string, ofScopes: readonly string[], before: readonly Command[]) => {
    const answers = await valkey.ask([...before, ["MGET", key, ...ofScopes]]);
    const last = answers?.at(-1);
    return Array.isArray(last) ? (last as readonly Answer[]) : undefined;
  };

  return {
    async get(place) {
      const key = answerKey(place);
      const ofScopes = place.scopes.map(scopeKey);
      let read = await ask(key, ofScopes, []);
      if (read?.slice(1).includes(null)) {
        // once in a scope's life: whoever is first gives it its name, and all read the same one
        const claims = ofScopes.map((scope): Command => ["SET", scope, newGeneration(), "PX", GENERATION_MS, "NX"]);
        read = await ask(key, ofScopes, claims);
      }
      if (read === undefined) return undefined;
      const [value, ...names] = read;
      if (!names.every((name) => name instanceof Uint8Array)) return undefined;
      const generations = names.map((name) => Buffer.from(name).toString());
      for (const [i, scope] of place.scopes.entries()) scopes.saw(ofScopes[i] ?? "", scope, generations[i] ?? "");
      if (!(value instanceof Uint8Array)) return { generations, stored: undefined };
      const kept = await frames.read(key, value);
      if (kept === "spoiled") env.emit({ type: "store-spoiled" });
      if (typeof kept === "string" || !same(kept.generations, generations)) return { generations, stored: undefined };
      return { generations, stored: kept.stored };
    },
    set(place, generations, stored) {
      const lastsMs = Math.ceil(stored.madeAt + stored.keepMs - env.clock.wall());
      if (lastsMs <= 0 || writing >= MAX_WRITING || !valkey.available()) return;
      writing += 1;
      void write(place, { generations, stored }, lastsMs).finally(() => {
        writing -= 1;
      });
    },
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

// What replicas tell each other about purges: a message when a scope is raised, and a look at all scopes when one may have been missed.

import type { Env } from "../../core/env.ts";
import type { Scope, SecondLevel } from "../../policies/cache/second-level.ts";
import type { Answer, Command, Valkey } from "../valkey.ts";

export interface ScopesOptions {
  readonly valkey: Valkey;
  readonly env: Env;
  /** Where raised scopes are told. */
  readonly channel: string;
  readonly keyOf: (scope: Scope) => string;
}

export interface Scopes extends Pick<SecondLevel, "onRaise"> {
  /** Notes the generation that a scope has; listeners hear of it where it was another one before. */
  saw(key: string, scope: Scope, generation: string): void;
  /** The scope's generation is not known here, and yet something is kept under it. */
  missed(key: string, scope: Scope): void;
  /** The command that tells every replica, this one too, that the scope was raised. */
  tell(scope: Scope): Command;
  close(): void;
}

/** Scopes that are remembered: those of models, and of tenants in models. */
const MAX_SCOPES = 10_000;
/** Scopes that are looked at in one ask. */
const LOOK_AT = 500;
/** How long it waits to look again where the store did not answer, in milliseconds. */
const AGAIN_MS = 1_000;

export function openScopes({ valkey, env, channel, keyOf }: ScopesOptions): Scopes {
  /** By their key, the longest unseen first. */
  const seen = new Map<string, { readonly scope: Scope; readonly generation: string }>();
  /** Of which nothing was ever seen: whether they were raised while nobody listened cannot be told. */
  const unseen = new Map<string, Scope>();
  const listeners = new Set<(scope: Scope) => void>();
  let stopAgain: (() => void) | undefined;
  const raised = (scope: Scope) => {
    for (const listener of listeners) listener(scope);
  };

  // messages are not kept for those who were away: what they would have said is in the generations themselves
  const lookAtAll = async (): Promise<void> => {
    stopAgain?.();
    stopAgain = undefined;
    const known = [...seen];
    for (let at = 0; at < known.length; at += LOOK_AT) {
      const part = known.slice(at, at + LOOK_AT);
      const read = (await valkey.ask([["MGET", ...part.map(([key]) => key)]]))?.[0];
      if (!Array.isArray(read)) {
        stopAgain = env.clock.after(AGAIN_MS, () => void lookAtAll());
        return;
      }
      for (const [i, [key, { scope, generation }]] of part.entries()) {
        if (textOf(read[i]) === generation) continue;
        seen.delete(key);
        raised(scope);
      }
    }
  };
  const stopListening = valkey.listen(channel, {
    heard(message) {
      const scope = readScope(message);
      if (scope === undefined) return;
      seen.delete(keyOf(scope));
      raised(scope);
    },
    listening() {
      const missed = [...unseen.values()];
      unseen.clear();
      for (const scope of missed) raised(scope);
      void lookAtAll();
    },
  });

  return {
    saw(key, scope, generation) {
      const before = seen.get(key);
      // its message was missed, or is still on its way
      if (before !== undefined && before.generation !== generation) raised(scope);
      seen.delete(key);
      seen.set(key, { scope, generation });
      if (seen.size <= MAX_SCOPES) return;
      const [oldest] = seen;
      if (oldest === undefined) return;
      // nobody would notice any longer that it is raised: what is in memory under it must go now
      seen.delete(oldest[0]);
      raised(oldest[1].scope);
    },
    missed(key, scope) {
      if (seen.has(key) || unseen.has(key)) return;
      unseen.set(key, scope);
      if (unseen.size <= MAX_SCOPES) return;
      const [oldest] = unseen;
      if (oldest === undefined) return;
      unseen.delete(oldest[0]);
      raised(oldest[1]);
    },
    tell: ({ model, tenant }) => ["PUBLISH", channel, JSON.stringify(tenant === undefined ? [model] : [model, tenant])],
    onRaise(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      stopAgain?.();
      stopListening();
      listeners.clear();
    },
  };
}

function textOf(answer: Answer | undefined): string | undefined {
  return answer instanceof Uint8Array ? Buffer.from(answer).toString() : undefined;
}

/** Undefined for a message that is none of ours. */
function readScope(message: string): Scope | undefined {
  try {
    const words: unknown = JSON.parse(message);
    if (!Array.isArray(words)) return undefined;
    const [model, tenant] = words as readonly unknown[];
    if (typeof model !== "string") return undefined;
    return typeof tenant === "string" ? { model, tenant } : { model };
  } catch {
    return undefined;
  }
}

// The store that replicas share, in memory: what is asked of it is counted, and it may be away or give wrong answers.

import type { Scope, SecondLevel, SecondLook, SecondLooks, StoredAnswer } from "../../policies/cache/second-level.ts";

export interface FakeStore {
  asked: number;
  /** Answers that were looked up. */
  keys: number;
  away: boolean;
  spoil: (stored: StoredAnswer) => StoredAnswer;
  readonly values: ReadonlyMap<string, unknown>;
  /** Scopes under which something was kept without a look here. */
  readonly unwatched: readonly Scope[];
  readonly level: SecondLevel;
}

/** A store in memory whose generations are numbers; two caches over it are two replicas. */
export function fakeStore(): FakeStore {
  const values = new Map<string, { readonly stored: StoredAnswer; readonly generations: readonly string[] }>();
  const generations = new Map<string, number>();
  const listeners = new Set<Parameters<SecondLevel["onRaise"]>[0]>();
  const hex = (key: Uint8Array) => Buffer.from(key).toString("hex");
  const current = (scopes: readonly Scope[]) =>
    scopes.map((scope) => String(generations.get(JSON.stringify(scope)) ?? 0));
  const unwatched: Scope[] = [];
  const store: FakeStore = {
    unwatched,
    asked: 0,
    keys: 0,
    away: false,
    spoil: (stored) => stored,
    values,
    level: {
      async get({ key, scopes }): Promise<SecondLook | undefined> {
        const looks = await store.level.getAll({ keys: [key], scopes });
        return looks && { generations: looks.generations, stored: looks.stored[0] };
      },
      async getAll({ keys, scopes }): Promise<SecondLooks | undefined> {
        store.asked += 1;
        store.keys += keys.length;
        if (store.away) return undefined;
        const now = current(scopes);
        const stored = keys.map((key) => {
          const kept = values.get(hex(key));
          const isOfNow = JSON.stringify(kept?.generations) === JSON.stringify(now);
          return kept !== undefined && isOfNow ? store.spoil(kept.stored) : undefined;
        });
        return { generations: now, stored };
      },
      set: ({ key, scopes }, made, stored) => store.level.setAll({ keys: [key], scopes }, made, [stored]),
      setAll({ keys }, made, all) {
        for (const [i, stored] of all.entries()) values.set(hex(keys[i] as Uint8Array), { stored, generations: made });
      },
      unwatched(scopes) {
        unwatched.push(...scopes);
      },
      async raise(scope) {
        const key = JSON.stringify(scope);
        generations.set(key, (generations.get(key) ?? 0) + 1);
        if (!store.away) for (const listener of listeners) listener(scope);
        return !store.away;
      },
      onRaise(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
  return store;
}

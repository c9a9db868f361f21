// The guards before endpoints: shared by all models with the same words, and kept when the config changes.

import type { Backend, Endpoint } from "../core/backend.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { ByHand, Guard, Guards, NamedGuard } from "../core/guard.ts";
import type { EndpointKind, PolicyKind } from "../core/policy.ts";
import { canonical } from "./parts.ts";
import { AT_ENDPOINT } from "./stack.ts";

/** All that stands before one endpoint, as one. */
export type Before = Pick<Guard, "available" | "due" | "barred" | "layer" | "anyway">;

export interface GuardTable extends Guards {
  /** The guards of a backend for a model, until they are released; those of other models where the words are the same. */
  hold(wanted: Wanted): HeldGuards;
  close(): Promise<void>;
}

export interface Wanted {
  readonly backend: Backend;
  /** The words of the backend, which hold for all models there. */
  readonly shared: ReadonlyMap<string, unknown>;
  readonly model: string;
  /** The model's own words: with any of them it has guards of its own. */
  readonly own: ReadonlyMap<string, unknown>;
}

export interface HeldGuards {
  /** Undefined where no word asks for a guard. */
  of(endpoint: Endpoint): Before | undefined;
  /** What the guards before an endpoint say. */
  tell(endpoint: Endpoint): readonly NamedGuard[];
  release(): void;
}

const NONE: HeldGuards = { of: () => undefined, tell: () => [], release: () => {} };

export interface GuardTableOptions {
  readonly kinds: readonly PolicyKind[];
  readonly env: Env;
}

export function openGuards({ kinds, env }: GuardTableOptions): GuardTable {
  const wards = new Set<Ward>();
  const inOrder = AT_ENDPOINT.flatMap((word) =>
    kinds.filter((one): one is EndpointKind => one.place === "endpoint" && one.word === word),
  );
  const release = (ward: Ward) => {
    ward.users -= 1;
    if (ward.users > 0) return;
    wards.delete(ward);
    ward.close([...wards].filter((one) => one.name === ward.name && one.model === ward.model));
  };
  return {
    hold({ backend, shared, model, own }) {
      const words = inOrder.flatMap((kind) => {
        const options = own.get(kind.word) ?? shared.get(kind.word);
        return options === undefined ? [] : [{ kind, options }];
      });
      if (words.length === 0) return NONE;
      const owner = inOrder.some(({ word }) => own.has(word)) ? model : undefined;
      const key = canonical([owner, words.map(({ kind, options }) => [kind.word, options])]);
      const known = [...wards].find((one) => one.backend === backend && one.key === key);
      const ward = known ?? openWard({ backend, model: owner, key, words, env });
      wards.add(ward);
      ward.users += 1;
      return { of: ward.of, tell: ward.tell, release: () => release(ward) };
    },
    list: () => [...wards].flatMap((ward) => ward.list()),
    byHand(endpoint, action) {
      const done = [...wards].flatMap((ward) => ward.byHand(endpoint, action));
      if (done.length > 0) return done;
      const known = [...wards].flatMap((ward) => ward.list().map((one) => one.endpoint));
      const names = known.length === 0 ? "no endpoint has one" : `those with one are ${[...new Set(known)].join(", ")}`;
      throw new InferError("not-found", `endpoint ${JSON.stringify(endpoint)} has no breaker: ${names}`);
    },
    close: async () => {},
  };
}

/** The guards of one pool under one set of words, and the limit that they share. */
interface Ward {
  readonly backend: Backend;
  readonly name: string;
  readonly model: string | undefined;
  readonly key: string;
  users: number;
  of(endpoint: Endpoint): Before | undefined;
  tell(endpoint: Endpoint): readonly NamedGuard[];
  list(): readonly NamedGuard[];
  byHand(endpoint: string, action: ByHand): readonly NamedGuard[];
  /** @param others who tell of the same backend and model from now on */
  close(others: readonly Ward[]): void;
}

interface WardParts {
  readonly backend: Backend;
  readonly model: string | undefined;
  readonly key: string;
  readonly words: readonly { readonly kind: EndpointKind; readonly options: unknown }[];
  readonly env: Env;
}

interface Member {
  readonly guards: readonly { readonly word: string; readonly guard: Guard }[];
  readonly before: Before | undefined;
}

function openWard({ backend, model, key, words, env }: WardParts): Ward {
  const pool = backend.endpoints;
  const members = new Map<Endpoint, Member>();
  const room = ({ id }: Pick<Endpoint, "id">): boolean => {
    let out = 1;
    let all = 0;
    for (const endpoint of pool.list()) {
      const guards = members.get(endpoint)?.guards ?? [];
      // what an operator took away is no part of the pool
      if (guards.some(({ guard }) => guard.barred())) continue;
      all += 1;
      if (endpoint.id !== id && guards.some(({ guard }) => guard.out())) out += 1;
    }
    return out <= Math.max(1, Math.floor(all / 2));
  };
  const context = { backend: backend.name, ...(model === undefined ? {} : { model }), pool, room, env };
  const openers = words.flatMap(({ kind, options }) => {
    const open = kind.build(options, context);
    return open === undefined ? [] : [{ word: kind.word, open }];
  });
  const memberOf = (endpoint: Endpoint): Member => {
    const known = members.get(endpoint);
    if (known !== undefined) return known;
    const guards = openers.map(({ word, open }) => ({ word, guard: open(endpoint) }));
    const member = { guards, before: together(guards.map(({ guard }) => guard)) };
    // one that has gone in the meantime is asked by the calls that have chosen it, and not kept
    if (pool.list().includes(endpoint)) members.set(endpoint, member);
    return member;
  };
  const refresh = () => {
    const now = pool.list();
    for (const [endpoint, { guards }] of members) {
      if (now.includes(endpoint)) continue;
      members.delete(endpoint);
      const replaced = now.some(({ id }) => id === endpoint.id);
      for (const { guard } of guards) guard.close(replaced);
    }
    for (const endpoint of now) memberOf(endpoint);
  };
  const named = (endpoint: Endpoint): readonly NamedGuard[] =>
    memberOf(endpoint).guards.map(({ word, guard }) => ({
      policy: word,
      backend: backend.name,
      endpoint: endpoint.id,
      ...(model === undefined ? {} : { model }),
      ...guard.status(),
    }));
  const stop = pool.onChange(refresh);
  refresh();
  return {
    backend,
    name: backend.name,
    model,
    key,
    users: 0,
    of: (endpoint) => memberOf(endpoint).before,
    tell: named,
    list: () => pool.list().flatMap(named),
    byHand(id, action) {
      const endpoint = pool.list().find((one) => one.id === id);
      if (endpoint === undefined) return [];
      const done = memberOf(endpoint).guards.filter(({ guard }) => guard.byHand(action));
      return named(endpoint).filter(({ policy }) => done.some(({ word }) => word === policy));
    },
    close(others) {
      stop();
      for (const [{ id }, { guards }] of members) {
        const replaced = others.some((ward) => ward.list().some(({ endpoint }) => endpoint === id));
        for (const { guard } of guards) guard.close(replaced);
      }
      members.clear();
    },
  };
}

/** Several guards as one, the first outermost. */
function together(guards: readonly Guard[]): Before | undefined {
  if (guards.length === 0) return undefined;
  return {
    available: () => guards.every((guard) => guard.available()),
    due: () => guards.some((guard) => guard.due()),
    barred: () => guards.some((guard) => guard.barred()),
    layer: (next) => guards.reduceRight((inner, guard) => guard.layer(inner), next),
    anyway: (next) => guards.reduceRight((inner, guard) => guard.anyway(inner), next),
  };
}

// Finds and keeps the answers of one version: in memory, and behind it in the store that replicas share.

import type { Env } from "../../core/env.ts";
import type { Identity } from "../../core/model.ts";
import type { InferResponse } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import { bytesOf, copyAnswer, weightOf } from "./copy.ts";
import type { Mark } from "./key.ts";
import type { Question } from "./question.ts";
import type { Kept, Room } from "./room.ts";
import type { Place, Scope, SecondLook, StoredAnswer } from "./second-level.ts";
import type { CacheOptions } from "./words.ts";
import { openWorth } from "./worth.ts";

/** An answer that was found. */
export interface Found {
  readonly answer: InferResponse;
  readonly ageMs: number;
  readonly freshMs: number;
}

export interface Keeper {
  /** In memory. */
  find(question: Question): Found | undefined;
  /** In the shared store; undefined without one, or when it does not answer. A fresh answer there is kept here, too. */
  findShared(question: Question): Promise<{ readonly look: SecondLook; readonly found: Found | undefined } | undefined>;
  /** Keeps it unless something has changed since it was asked; says why not. */
  keep(question: Question, made: Made): Promise<string | undefined>;
  /** Whether all is as it was when the question was asked: nothing was loaded or purged meanwhile. */
  isCurrent(question: Question): boolean;
}

/** An answer of the model. */
export interface Made {
  readonly answer: InferResponse;
  /** How long it took, in milliseconds. */
  readonly askedMs: number;
  /** The generations in the shared store before it was asked. */
  readonly look: SecondLook | undefined;
}

export interface KeeperParts {
  readonly model: string;
  readonly room: Room;
  readonly env: Env;
  readonly run: RunSliced;
  readonly options: CacheOptions;
  readonly identity: () => Identity | undefined;
}

/** So much of its time an answer may lose, so that those made together do not all end together. */
const JITTER = 0.1;
const SMALL_BYTES = 1024 * 1024;
/** Nothing is kept for longer in the shared store, which needs an end. */
const LONGEST_MS = 30 * 24 * 3_600_000;

export function openKeeper(parts: KeeperParts): Keeper {
  const { model, room, env, run, options } = parts;
  const shelf = room.shelf(model, options.maxBytes);
  const { second } = room;
  const worth = openWorth();
  const collided = () => env.emit({ type: "cache-dropped", model, why: "collision" });

  const put = (question: Question, stored: StoredAnswer, bornAt: number) => {
    const { mark, tenant, generation } = question;
    const kept: Kept = { ...stored, bornAt, tenant, generation };
    return shelf.set(mark.key, kept, weightOf(stored.answer, stored.head));
  };
  const isCurrent = ({ identity, generation, tenant }: Question) =>
    parts.identity() === identity && room.generation(model, tenant) === generation;

  // what was kept under other words, before a change of the config or by another replica, is given by the words in force
  const { ttlMs = LONGEST_MS, staleIfErrorMs, staleWhileRevalidateMs } = options;
  const staleMs = Math.max(staleIfErrorMs, staleWhileRevalidateMs);
  const freshOf = ({ freshMs }: StoredAnswer) => Math.min(freshMs, ttlMs);

  return {
    isCurrent,
    find(question) {
      const { mark, generation } = question;
      const kept = shelf.get(mark.key);
      if (kept === undefined) return undefined;
      if (!proves(kept, mark)) {
        collided();
        return undefined;
      }
      const ageMs = env.clock.now() - kept.bornAt;
      if (kept.generation === generation && ageMs < Math.min(kept.keepMs, ttlMs + staleMs)) {
        return { answer: kept.answer, ageMs, freshMs: freshOf(kept) };
      }
      shelf.delete(mark.key);
      return undefined;
    },
    async findShared(question) {
      if (second === undefined || !question.identity.portable) return undefined;
      const look = await second.get(placeOf(model, question));
      if (look === undefined) return undefined;
      const { stored } = look;
      if (stored === undefined) return { look, found: undefined };
      if (!proves(stored, question.mark)) {
        collided();
        return { look, found: undefined };
      }
      // clocks of two machines may differ: an answer of the future is one of now
      const ageMs = Math.max(0, env.clock.wall() - stored.madeAt);
      const freshMs = freshOf(stored);
      if (ageMs >= freshMs || !isCurrent(question)) return { look, found: undefined };
      put(question, stored, env.clock.now() - ageMs);
      return { look, found: { answer: stored.answer, ageMs, freshMs } };
    },
    async keep(question, { answer, askedMs, look }) {
      const { mark } = question;
      worth.note(question.lookMs, askedMs);
      if (!worth.pays) return "the model is quicker than a look-up";
      const bornAt = env.clock.now();
      const madeAt = env.clock.wall();
      const small = bytesOf(answer) <= SMALL_BYTES;
      const copied = await run(copyAnswer(answer), { small, signal: new AbortController().signal });
      if (!isCurrent(question)) return "the model was loaded or purged meanwhile";
      const freshMs = ttlMs * (1 - JITTER * env.random());
      const keepMs = freshMs + staleMs;
      const stored = { answer: copied, head: mark.head, proof: mark.proof, madeAt, freshMs, keepMs };
      if (look !== undefined) second?.set(placeOf(model, question), look.generations, stored);
      return put(question, stored, bornAt) ? undefined : "others are asked for more often";
    },
  };
}

function placeOf(model: string, { mark, tenant }: Question): Place {
  const scopes: Scope[] = [{ model }, ...(tenant === undefined ? [] : [{ model, tenant }])];
  return { key: Buffer.from(mark.key, "latin1"), scopes };
}

function proves(stored: StoredAnswer, mark: Mark): boolean {
  return stored.head === mark.head && Buffer.compare(stored.proof, mark.proof) === 0;
}

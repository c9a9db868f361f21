// Finds and keeps the answers of one version: in memory, and behind it in the store that replicas share.

import type { Env } from "../../core/env.ts";
import type { Identity } from "../../core/model.ts";
import type { InferResponse } from "../../core/request.ts";
import type { RunSliced, Sliced } from "../../core/run.ts";
import { bytesOf, copyAnswer, weightOf } from "./copy.ts";
import type { Mark } from "./key.ts";
import type { Question } from "./question.ts";
import type { Kept, Room } from "./room.ts";
import type { Place, Places, Scope, SecondLook, StoredAnswer } from "./second-level.ts";
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
  /**
   * The rows of one request in the shared store, in one round trip: those that were found, by their `flight`. With `anew`
   * only the generations are asked for.
   */
  findRowsShared(rows: readonly Question[], how: { readonly anew: boolean }): Promise<SharedRows>;
  /** Keeps it unless something has changed since it was asked; says why not. */
  keep(question: Question, made: Made): Promise<string | undefined>;
  /** Keeps the answers to rows that were asked together, in the shared store in one go. */
  keepRows(rows: readonly Question[], made: MadeRows): Promise<void>;
  /** Whether all is as it was when the question was asked: nothing was loaded or purged meanwhile. */
  isCurrent(question: Question): boolean;
}

/** An answer of the model. */
export interface Made {
  readonly answer: InferResponse;
  /** How long it took, in milliseconds. */
  readonly askedMs: number;
  /** The generations in the shared store before it was asked. */
  readonly look: Generations | undefined;
}

/** The answers to several rows, in their order. */
export interface MadeRows extends Omit<Made, "answer"> {
  readonly answers: readonly InferResponse[];
  /** How long each of them took, in milliseconds. */
  readonly askedMs: number;
}

/** What the shared store has of several rows. */
export interface SharedRows {
  readonly look: Generations | undefined;
  readonly found: ReadonlyMap<string, Found>;
}

type Generations = Pick<SecondLook, "generations">;

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
/** Answers that are copied between two stops: well below a millisecond. */
const ROWS_AT_ONCE = 64;
/** So much comes back of rows in one round trip to the shared store, as far as the size of their answers is known. */
const TRIP_BYTES = 512 * 1024;
/** What a value in the shared store has beside the answer's own bytes, about. */
const VALUE_BYTES = 400;
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

  /** Also kept in memory, unless it is not this question's, too old, or of a model that is gone. */
  const believe = (question: Question, stored: StoredAnswer | undefined): Found | undefined => {
    if (stored === undefined) return undefined;
    if (!proves(stored, question.mark)) {
      collided();
      return undefined;
    }
    // clocks of two machines may differ: an answer of the future is one of now
    const ageMs = Math.max(0, env.clock.wall() - stored.madeAt);
    const freshMs = freshOf(stored);
    if (ageMs >= freshMs || !isCurrent(question)) return undefined;
    put(question, stored, env.clock.now() - ageMs);
    return { answer: stored.answer, ageMs, freshMs };
  };
  const storedOf = (answer: InferResponse, { head, proof }: Mark, madeAt: number): StoredAnswer => {
    const freshMs = ttlMs * (1 - JITTER * env.random());
    return { answer, head, proof, madeAt, freshMs, keepMs: freshMs + staleMs };
  };
  const times = () => ({ bornAt: env.clock.now(), madeAt: env.clock.wall() });
  /** Of the answer to the row that was seen last: the rows of a model are about equally large. */
  let rowBytes = 0;

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
      if (second === undefined) return undefined;
      if (!question.identity.portable) {
        second.unwatched(scopesOf(model, question));
        return undefined;
      }
      const look = await second.get(placeOf(model, question));
      return look === undefined ? undefined : { look, found: believe(question, look.stored) };
    },
    async findRowsShared(rows, { anew }) {
      const [first] = rows;
      if (second === undefined || first === undefined) return NOTHING_SHARED;
      if (!first.identity.portable) {
        second.unwatched(scopesOf(model, first));
        return NOTHING_SHARED;
      }
      const asked = anew ? [] : rows.slice(0, Math.ceil(TRIP_BYTES / (VALUE_BYTES + rowBytes)));
      const look = await second.getAll(placesOf(model, first, asked));
      if (look === undefined) return NOTHING_SHARED;
      const found = new Map<string, Found>();
      for (const [i, question] of asked.entries()) {
        const one = believe(question, look.stored[i]);
        if (one === undefined) continue;
        rowBytes = bytesOf(one.answer);
        found.set(question.flight, one);
      }
      return { look, found };
    },
    async keep(question, { answer, askedMs, look }) {
      worth.note(question.lookMs, askedMs);
      if (!worth.pays) return "the model is quicker than a look-up";
      const { bornAt, madeAt } = times();
      const small = bytesOf(answer) <= SMALL_BYTES;
      const copied = await run(copyAnswer(answer), { small, signal: new AbortController().signal });
      if (!isCurrent(question)) return "the model was loaded or purged meanwhile";
      const stored = storedOf(copied, question.mark, madeAt);
      if (look !== undefined) second?.set(placeOf(model, question), look.generations, stored);
      return put(question, stored, bornAt) ? undefined : "others are asked for more often";
    },
    async keepRows(rows, { answers, askedMs, look }) {
      const [first] = rows;
      for (const { lookMs } of rows) worth.note(lookMs, askedMs);
      if (first === undefined || !worth.pays) return;
      const { bornAt, madeAt } = times();
      rowBytes = answers[0] === undefined ? rowBytes : bytesOf(answers[0]);
      const small = rows.length <= ROWS_AT_ONCE && rows.length * rowBytes <= SMALL_BYTES;
      const copied = await run(copyAnswers(answers), { small, signal: new AbortController().signal });
      // rows that were asked together have one model and one generation
      if (!isCurrent(first)) return;
      const stored = copied.map((answer, i) => storedOf(answer, (rows[i] ?? first).mark, madeAt));
      if (look !== undefined) second?.setAll(placesOf(model, first, rows), look.generations, stored);
      for (const [i, one] of stored.entries()) put(rows[i] ?? first, one, bornAt);
    },
  };
}

const NOTHING_SHARED: SharedRows = { look: undefined, found: new Map() };

function* copyAnswers(answers: readonly InferResponse[]): Sliced<readonly InferResponse[]> {
  const copied: InferResponse[] = [];
  for (const answer of answers) {
    copied.push(yield* copyAnswer(answer));
    if (copied.length % ROWS_AT_ONCE === 0) yield;
  }
  return copied;
}

function placeOf(model: string, question: Question): Place {
  return { key: keyOf(question), scopes: scopesOf(model, question) };
}

/** All of them have the scopes of one. */
function placesOf(model: string, one: Question, questions: readonly Question[]): Places {
  return { keys: questions.map(keyOf), scopes: scopesOf(model, one) };
}

function keyOf({ mark }: Question): Uint8Array {
  return Buffer.from(mark.key, "latin1");
}

function scopesOf(model: string, { tenant }: Question): readonly Scope[] {
  return [{ model }, ...(tenant === undefined ? [] : [{ model, tenant }])];
}

function proves(stored: StoredAnswer, mark: Mark): boolean {
  return stored.head === mark.head && Buffer.compare(stored.proof, mark.proof) === 0;
}

// Sequences of requests that belong together: each is pinned at its start to a version and an endpoint, until it ends.

import { type Call, checkCall, type Sequence, unlessAborted } from "../core/call.ts";
import type { Clock } from "../core/env.ts";
import { InferError, invalid } from "../core/error.ts";
import type { Candidates } from "../core/policy.ts";
import { type Reply, whenEnded } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";

export interface SequencesOptions {
  readonly clock: Clock;
  /** A sequence that nobody has asked on for so long has ended. */
  readonly idleMs: number;
  /** Sequences at once, over all models. */
  readonly most: number;
}

/** What the gateway has: more than any server behind it keeps. */
export const SEQUENCE_LIMITS = { idleMs: 5 * 60_000, most: 10_000 };

export interface Sequences {
  /** Above a model's route: a sequence that goes on goes where it began, and its requests run one after the other. */
  above(model: SequencedModel): Layer;
  /** How many go on now. */
  readonly size: number;
  close(): Promise<void>;
}

export interface SequencedModel {
  readonly name: string;
  /** Whether the model is known to keep state: only then a sequence without a start is a mistake. */
  stateful(signal: AbortSignal): Promise<boolean>;
}

interface Entry {
  readonly version: string;
  readonly endpoint: string;
  usedAt: number;
}

/** The requests of a sequence that wait for the one before them. */
const MAX_WAITING = 64;

interface Turn {
  /** Resolves when those before have been answered. */
  readonly last: Promise<void>;
  readonly waiting: number;
}

/** It outlives a change of the config, and with it a sequence keeps its version and endpoint. */
export function openSequences(options: SequencesOptions): Sequences {
  const { clock } = options;
  // in the order of their last use
  const entries = new Map<string, Entry>();
  const turns = new Map<string, Turn>();
  const table: Table = {
    get(key) {
      expire();
      return entries.get(key);
    },
    set(key, entry) {
      entries.delete(key);
      entries.set(key, entry);
    },
    end: (key) => void entries.delete(key),
    checkRoom(key) {
      expire();
      if (entries.has(key) || entries.size < options.most) return;
      throw new InferError("overloaded", `${options.most} sequences go on at once, a new one has no room`, {
        retryAfterMs: 1000,
      });
    },
    now: clock.now,
  };
  function expire(): void {
    for (const [key, { usedAt }] of entries) {
      if (clock.now() - usedAt < options.idleMs) return;
      entries.delete(key);
    }
  }
  return {
    get size() {
      return entries.size;
    },
    above: (model) => (next) => (request, call) => {
      const { sequence } = call;
      if (sequence === undefined || call.purpose !== "user") return next(request, call);
      const key = keyOf(model.name, call, sequence);
      const running = inTurn(turns, key, () => {
        checkCall(call);
        return follow({ table, model, key, sequence }, next)(request, call);
      });
      // who leaves while it waits is freed at once
      return unlessAborted(running, call.signal);
    },
    close: async () => {},
  };
}

interface Table {
  get(key: string): Entry | undefined;
  set(key: string, entry: Entry): void;
  end(key: string): void;
  /** @throws InferError overloaded when there is none for a new one */
  checkRoom(key: string): void;
  now(): number;
}

/** Ids are each tenant's own; 7 and "7" are two sequences, as for Triton. */
function keyOf(model: string, { tenant }: Call, { id }: Sequence): string {
  return JSON.stringify([model, tenant ?? null, typeof id === "bigint" ? { n: String(id) } : id]);
}

/** One after the other, whatever becomes of those before. */
async function inTurn(turns: Map<string, Turn>, key: string, run: () => Promise<Reply>): Promise<Reply> {
  const before = turns.get(key);
  if (before !== undefined && before.waiting >= MAX_WAITING) {
    throw new InferError("overloaded", `${MAX_WAITING} requests of one sequence wait already`);
  }
  const running = (before?.last ?? Promise.resolve()).then(run);
  const over = running.then(ended, () => {});
  const turn: Turn = { last: over, waiting: (before?.waiting ?? 0) + 1 };
  turns.set(key, turn);
  void over.then(() => {
    if (turns.get(key) === turn) turns.delete(key);
  });
  return running;
}

// the answer of a stream is the reader's to take: the next request may come before it ends, as on Triton
function ended(): void {}

interface Following {
  readonly table: Table;
  readonly model: SequencedModel;
  readonly key: string;
  readonly sequence: Sequence;
}

function follow(at: Following, next: Service): Service {
  const { table, key, sequence } = at;
  return async (request, call) => {
    const entry = sequence.start ? undefined : table.get(key);
    if (entry === undefined) {
      if (!sequence.start) await checkStart(at, call);
      table.checkRoom(key);
      table.end(key);
      const reply = await next(request, call);
      const { version, endpoint } = call.trace.facts;
      if (!sequence.end && version !== undefined && endpoint !== undefined) {
        table.set(key, { version, endpoint, usedAt: table.now() });
      }
      return reply;
    }
    const { select } = request.model;
    if (select.by === "version" && select.version !== entry.version) {
      throw invalid(`${named(at)} goes on with version ${entry.version}, got version ${select.version}`);
    }
    const pinned = { ...call, sequence: { ...sequence, endpoint: entry.endpoint } };
    const version = { by: "version", version: entry.version } as const;
    call.trace.decide("sequence", `goes on with version ${entry.version}`);
    const lose = (error: unknown) => {
      const lost = lostBy(error, at);
      if (lost !== undefined) table.end(key);
      return lost;
    };
    try {
      const reply = await next({ ...request, model: { ...request.model, select: version } }, pinned);
      if (sequence.end) table.end(key);
      else table.set(key, { ...entry, usedAt: table.now() });
      return reply.kind === "whole"
        ? reply
        : { kind: "stream", parts: whenEnded(reply.parts, (error) => void lose(error)) };
    } catch (error) {
      throw lose(error) ?? error;
    }
  };
}

/** Where the model keeps no state the first request that is seen begins the sequence. */
async function checkStart(at: Following, call: Call): Promise<void> {
  if (!(await at.model.stateful(call.signal))) return;
  throw invalid(`inference request for ${named(at)} must specify the START flag on the first request of the sequence`);
}

function named({ model, sequence }: Pick<Following, "model" | "sequence">): string {
  return `sequence ${sequence.id} to model '${model.name}'`;
}

/** What has become of its state is not known, so it cannot go on elsewhere, nor here. */
function lostBy(error: unknown, at: Following): InferError | undefined {
  if (!(error instanceof InferError)) return undefined;
  if (error.code !== "unavailable" && error.code !== "bad-backend" && error.code !== "not-found") return undefined;
  return new InferError("unavailable", `${named(at)} is lost with its endpoint: begin it anew`, {
    origin: "backend",
    retryable: "no",
    cause: error,
  });
}

/**
 * At a version's leaf: a sequence passes by the cache, the door, the batcher, hedges and retries. Pinned to an endpoint it is
 * asked there and nowhere else.
 *
 * @param direct asks one endpoint, chosen by the balancer when none is named
 */
export function besideLayers(candidates: Candidates, direct: (endpoint?: Service) => Service): Layer {
  return (next) => (request, call) => {
    const { sequence } = call;
    if (sequence === undefined) return next(request, call);
    if (sequence.endpoint === undefined) return direct()(request, call);
    const pinned = candidates.list().find(({ endpoint }) => endpoint.id === sequence.endpoint);
    if (pinned?.available() === true) return direct(pinned.service)(request, call);
    return Promise.reject(new InferError("unavailable", "the endpoint of this sequence is not available"));
  };
}

// When batches are sent and where: as soon as a slot is free, the one that has waited longest first.

import type { Attempt, Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { SendAlone } from "./alone.ts";
import { type Bucket, type Buckets, openBuckets } from "./buckets.ts";
import { delayMs, formFor, isInTime, learnerAt, learnFrom, type Option, type Share, shares } from "./deal.ts";
import type { Formed } from "./form.ts";
import { bytesOf, openBucketKeys } from "./key.ts";
import { type Member, openMember } from "./member.ts";
import type { Place, Places } from "./places.ts";
import type { Ran, Send } from "./send.ts";
import type { BatchOptions } from "./words.ts";

/** An endpoint that was chosen, and by what, as an attempt says it. */
export type Preferred = Required<Pick<Attempt, "prefer" | "preferredBy">>;

export interface Scheduler {
  /**
   * Puts a request in line.
   *
   * @param rows above 0
   * @throws InferError overloaded when too many wait already
   */
  enter(request: InferRequest, call: Call, rows: number): Member;
  /**
   * Sends a request at once, as it is, when nobody waits or runs and there is one endpoint with a free slot; undefined when
   * it has to stand in line.
   */
  alone(request: InferRequest, call: Call, rows: number): Promise<Reply> | undefined;
  /**
   * The endpoint that a request would be sent to if it came now; undefined where it would wait, or the balancer chooses. Nothing
   * is put in line.
   */
  whereTo(request: InferRequest, call: Call, rows: number): Preferred | undefined;
  /** Requests that wait. */
  readonly waiting: number;
  /** Buckets that are kept. */
  readonly buckets: number;
}

export interface SchedulerOptions {
  readonly options: BatchOptions;
  readonly model: string;
  readonly version: string;
  readonly env: Env;
  readonly places: Places;
  readonly send: Send;
  readonly sendAlone: SendAlone;
  /** The signature as it was last told. */
  metadata(): ModelMetadata | undefined;
  /** The most rows that may be joined for a reason beyond speed, as while the model is being tried. */
  cap(): number;
  /** Calls back when this turn of the event loop has read what there is to read. */
  soon(callback: () => void): void;
}

export function openScheduler(parts: SchedulerOptions): Scheduler {
  const { options, env, places } = parts;
  const buckets: Buckets = openBuckets(options.maxRows);
  const keyOf = openBucketKeys();
  let waiting = 0;
  let running = 0;
  let scheduled = false;
  let blocked = false;
  let stopTimer: (() => void) | undefined;

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    parts.soon(pump);
  };

  const pump = () => {
    scheduled = false;
    blocked = false;
    stopTimer?.();
    stopTimer = undefined;
    const open = new Set(buckets.waiting());
    // each round sends or refuses somebody, or closes a bucket
    for (let bucket = mostUrgent(open); bucket !== undefined; bucket = mostUrgent(open)) {
      const free = places.free(isOffIn(bucket, env.clock.now()));
      if (free.length === 0) blocked = true;
      const before = bucket.line.requests;
      if (free.length > 0 && !isDelayed(bucket, free)) sendFrom(bucket, free);
      if (bucket.line.requests === 0 || bucket.line.requests === before) open.delete(bucket);
    }
    if (blocked) places.whenFreed(schedule);
  };

  /** Whether it should wait for more rows, and if so for how long. */
  const isDelayed = (bucket: Bucket, free: readonly Option[]): boolean => {
    const now = env.clock.now();
    const ms = delayMs({ bucket, free, options }, now);
    if (ms === 0) return false;
    stopTimer ??= env.clock.after(ms, schedule);
    return true;
  };

  const sendFrom = (bucket: Bucket, free: readonly Option[]): void => {
    const now = env.clock.now();
    for (const { place, rows, why } of shares(bucket, free, { now, cap: parts.cap() })) {
      const formed = formFor(bucket, { place, rows, now, options });
      for (const member of formed.late) refuse(member);
      if (formed.members.length > 0) dispatch(bucket, { place, why }, formed);
    }
  };

  const refuse = (member: Member): void => {
    env.emit({ type: "batch-refused", model: parts.model, version: parts.version });
    member.reject(
      new InferError("deadline-exceeded", "no batch could be answered before the deadline", { unsent: true }),
    );
  };

  const dispatch = (bucket: Bucket, { place, why }: Pick<Share, "place" | "why">, formed: Formed): void => {
    const { members, reason } = formed;
    const metadata = parts.metadata();
    if (metadata === undefined) return;
    for (const member of members) take(bucket, member);
    const { ran, release } = occupy(bucket, place);
    const endpoint = places.several ? place.id : undefined;
    const batch = { members, reason, metadata, ...(endpoint === undefined ? {} : { endpoint, why }) };
    void parts.send(batch, ran).finally(release);
  };

  /** A slot of the place is ours until it has answered, or until it is let go of. */
  const occupy = (bucket: Bucket, place: Place) => {
    place.own += 1;
    running += 1;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      place.own -= 1;
      running -= 1;
      blocked = false;
      if (waiting > 0) pump();
    };
    const ran = (one: Ran) => {
      learnFrom(one, { bucket, place, now: env.clock.now() });
      release();
    };
    return { ran, release };
  };

  const bucketOf = (request: InferRequest, call: Call): Bucket => {
    const said = options.headers.length === 0 ? undefined : { names: options.headers, headers: call.headers };
    return buckets.of(keyOf(request, said));
  };
  // padding, preferred sizes and waiting for others are for those who stand in line
  const isPlain = options.maxDelayMs === 0 && options.sizes.length === 0 && options.preferred.length === 0;

  const take = (bucket: Bucket, member: Member): void => {
    if (bucket.line.remove(member)) waiting -= 1;
  };

  return {
    enter(request, call, rows) {
      if (waiting >= options.maxQueue) {
        const text = `${waiting} requests wait for a batch already, as many as may (batch.maxQueue)`;
        throw new InferError("overloaded", text, { retryAfterMs: 100 });
      }
      const bucket = bucketOf(request, call);
      const bytes = bytesOf(request);
      const member = openMember({ request, call, rows, bytes, onSettled: (left) => take(bucket, left) });
      bucket.line.add(member);
      waiting += 1;
      if (options.maxDelayMs > 0) bucket.pace.came(rows, env.clock.now());
      // one alone has nobody to wait for, not even for the rest of this turn
      if (running === 0 && waiting === 1 && !scheduled) pump();
      // while all are busy the one that becomes free looks at the line
      else if (!blocked || places.changed()) schedule();
      return member;
    },
    alone(request, call, rows) {
      const metadata = parts.metadata();
      if (!isPlain || running > 0 || waiting > 0 || scheduled || metadata === undefined) return undefined;
      const place = places.onlyFree();
      if (place === undefined) return undefined;
      const bucket = bucketOf(request, call);
      const learner = learnerAt(bucket, place);
      const now = env.clock.now();
      if (learner.believed(now) && !isInTime(learner.cost(), { rows, leftMs: call.deadline - now })) return undefined;
      const reason = rows > 1 && rows >= Math.max(2, learner.useful(now)) ? "full" : "slot-free";
      return parts.sendAlone(
        { request, call, rows, reason, signature: metadata, startedAt: now },
        occupy(bucket, place),
      );
    },
    whereTo(request, call, rows) {
      // who waits would no longer see that the list of endpoints has changed
      if (blocked || waiting > 0) return undefined;
      const now = env.clock.now();
      const bucket = bucketOf(request, call);
      const free = places.free(isOffIn(bucket, now));
      if (free.length === 0 || !places.several) return undefined;
      const [share] = shares(bucket, free, { now, cap: parts.cap(), rows });
      const prefer = share?.place.id;
      return share === undefined || prefer === undefined ? undefined : { prefer, preferredBy: share.why };
    },
    get waiting() {
      return waiting;
    },
    get buckets() {
      return buckets.size;
    },
  };
}

/** The bucket of the highest priority, and of those the one whose first member has waited longest. */
function mostUrgent(buckets: ReadonlySet<Bucket>): Bucket | undefined {
  let best: Bucket | undefined;
  for (const bucket of buckets) {
    if (best === undefined || isMoreUrgent(bucket, best)) best = bucket;
  }
  return best;
}

function isMoreUrgent({ line }: Bucket, { line: other }: Bucket): boolean {
  if (line.top !== other.top) return line.top < other.top;
  return (line.oldest()?.queuedAt ?? 0) < (other.oldest()?.queuedAt ?? 0);
}

function isOffIn(bucket: Bucket, now: number): (place: Place) => boolean {
  return (place) => learnerAt(bucket, place).useful(now) === 1;
}

// When batches are sent and where: as soon as a slot is free, the one that has waited longest first.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import { type Bucket, type Buckets, openBuckets } from "./buckets.ts";
import { fill, type Vessel } from "./fill.ts";
import { type Formed, formBatch } from "./form.ts";
import { bucketKey, bytesOf } from "./key.ts";
import { type Member, openMember } from "./member.ts";
import { matchedRows, pays, waitMs } from "./pace.ts";
import type { Place, Places } from "./places.ts";
import type { Ran, Send } from "./send.ts";
import type { BatchOptions } from "./words.ts";

export interface Scheduler {
  /**
   * Puts a request in line.
   *
   * @param rows above 0
   * @throws InferError overloaded when too many wait already
   */
  enter(request: InferRequest, call: Call, rows: number): Member;
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
  /** The signature as it was last told. */
  metadata(): ModelMetadata | undefined;
  /** The most rows that may be joined for a reason beyond speed, as while the model is being tried. */
  cap(): number;
  /** Calls back when this turn of the event loop has read what there is to read. */
  soon(callback: () => void): void;
}

/** How an endpoint stands in a bucket. */
interface Option {
  readonly place: Place;
  readonly slots: number;
}

/** The word under which the cost is learned where the balancer chooses. */
const ANYWHERE = "";
/** Weight of one wait at an endpoint among many. */
const ALPHA = 0.2;
/** Before so many samples an endpoint is tried rather than judged. Source: rule 2. */
const ENOUGH = 8;

export function openScheduler(parts: SchedulerOptions): Scheduler {
  const { options, env, places } = parts;
  const buckets: Buckets = openBuckets(options.maxRows);
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
    for (const { place, rows } of shares(bucket, free, { now, cap: parts.cap() })) {
      const formed = formFor(bucket, { place, rows, now, options });
      for (const member of formed.late) refuse(member);
      if (formed.members.length > 0) dispatch(bucket, place, formed);
    }
  };

  const refuse = (member: Member): void => {
    env.emit({ type: "batch-refused", model: parts.model, version: parts.version });
    member.reject(new InferError("deadline-exceeded", "no batch could be answered before the deadline"));
  };

  const dispatch = (bucket: Bucket, place: Place, { members, reason }: Formed): void => {
    const metadata = parts.metadata();
    if (metadata === undefined) return;
    for (const member of members) take(bucket, member);
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
    const endpoint = places.several ? place.id : undefined;
    const batch = { members, reason, metadata, ...(endpoint === undefined ? {} : { endpoint }) };
    void parts.send(batch, ran).finally(release);
  };

  const take = (bucket: Bucket, member: Member): void => {
    if (bucket.line.remove(member)) waiting -= 1;
  };

  return {
    enter(request, call, rows) {
      if (waiting >= options.maxQueue) {
        const text = `${waiting} requests wait for a batch already, as many as may (batch.maxQueue)`;
        throw new InferError("overloaded", text, { retryAfterMs: 100 });
      }
      const said = options.headers.length === 0 ? undefined : { names: options.headers, headers: call.headers };
      const bucket = buckets.of(bucketKey(request, said));
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
  return ({ id }) => bucket.learner(id ?? ANYWHERE).useful(now) === 1;
}

interface Delayed {
  readonly bucket: Bucket;
  readonly free: readonly Option[];
  readonly options: BatchOptions;
}

/** Only with several idle slots: with one, what comes while it is busy joins by itself. */
function delayMs({ bucket, free, options }: Delayed, now: number): number {
  const slots = free.reduce((sum, one) => sum + one.slots, 0);
  const [first] = free;
  if (options.maxDelayMs === 0 || slots < 2 || first === undefined) return 0;
  const learner = bucket.learner(first.place.id ?? ANYWHERE);
  const cost = learner.cost();
  const oldest = bucket.line.oldest();
  if (cost === undefined || oldest === undefined) return 0;
  const rate = bucket.pace.rate(now);
  const wanted = matchedRows(rate, cost, { slots, most: learner.useful(now) });
  if (!pays(rate, cost, wanted)) return 0;
  const { deadline } = oldest.call;
  const { rows } = bucket.line;
  return waitMs({ rows, since: oldest.queuedAt, deadline, maxDelayMs: options.maxDelayMs }, wanted, now);
}

interface Share {
  readonly place: Place;
  readonly rows: number;
}

/** Which endpoints get how many of the rows that wait. */
function shares(
  bucket: Bucket,
  free: readonly Option[],
  { now, cap }: { readonly now: number; readonly cap: number },
): readonly Share[] {
  const known = free.map(({ place }) => {
    const learner = bucket.learner(place.id ?? ANYWHERE);
    return { place, learner, useful: Math.min(cap, learner.useful(now)) };
  });
  const least = known.reduce((a, b) => (b.learner.samples + b.place.own < a.learner.samples + a.place.own ? b : a));
  // one of which too little is known is tried first
  if (known.length === 1 || least.learner.samples < ENOUGH) return [{ place: least.place, rows: least.useful }];
  const vessels = known.map(({ place, learner, useful }): Vessel => {
    const { a, B } = learner.cost() ?? { a: 0, B: 0 };
    return { a, B, waitMs: expectedWaitMs(place), useful };
  });
  const rows = fill(bucket.line.rows, vessels);
  return known.flatMap(({ place }, i) => ((rows[i] ?? 0) > 0 ? [{ place, rows: rows[i] as number }] : []));
}

function expectedWaitMs(place: Place): number {
  return place.own === 0 ? 0 : place.queuedMs;
}

interface Forming extends Share {
  readonly now: number;
  readonly options: BatchOptions;
}

function formFor(bucket: Bucket, { place, rows, now, options }: Forming): Formed {
  const learner = bucket.learner(place.id ?? ANYWHERE);
  const useful = learner.useful(now);
  const formed = formBatch(bucket.line, {
    rows,
    full: Math.max(2, useful),
    bytes: options.maxBytes,
    preferred: options.preferred,
    cost: learner.believed(now) ? learner.cost() : undefined,
    waitMs: expectedWaitMs(place),
    now,
  });
  const oldest = bucket.line.oldest();
  const delayed = options.maxDelayMs > 0 && oldest !== undefined && now - oldest.queuedAt >= options.maxDelayMs;
  return delayed && formed.reason === "slot-free" ? { ...formed, reason: "delay" } : formed;
}

interface Learning {
  readonly bucket: Bucket;
  readonly place: Place;
  readonly now: number;
}

function learnFrom({ rows, tookMs, queuedMs, endpoint }: Ran, { bucket, place, now }: Learning): void {
  // another may have answered than the one that was chosen
  bucket.learner((place.id === undefined ? undefined : endpoint) ?? place.id ?? ANYWHERE).learn(rows, tookMs, now);
  place.queuedMs += ALPHA * (queuedMs - place.queuedMs);
}

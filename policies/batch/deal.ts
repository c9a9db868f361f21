// What is dealt to whom: how many of a bucket's rows go to which endpoint now, which members those are, and what their runs teach.

import { describeRanked, MS } from "../balance/scores.ts";
import type { Bucket } from "./buckets.ts";
import { aloneMs, fill, type Vessel } from "./fill.ts";
import { type Formed, formBatch } from "./form.ts";
import { type Cost, type Learner, predictMs } from "./learn.ts";
import { matchedRows, pays, waitMs } from "./pace.ts";
import type { Place } from "./places.ts";
import type { Ran } from "./send.ts";
import type { BatchOptions } from "./words.ts";

/** How an endpoint stands in a bucket. */
export interface Option {
  readonly place: Place;
  readonly slots: number;
}

/** The word under which the cost is learned where the balancer chooses. */
const ANYWHERE = "";
/** Weight of one wait at an endpoint among many. */
const ALPHA = 0.2;
/** Before so many samples an endpoint is tried rather than judged. Source: rule 2. */
const ENOUGH = 8;

/** What is known of the bucket at the place. */
export function learnerAt(bucket: Bucket, { id }: Place): Learner {
  return bucket.learner(id ?? ANYWHERE);
}

/** What `formBatch` asks of a request without company. */
export function isInTime(
  cost: Cost | undefined,
  { rows, leftMs }: { readonly rows: number; readonly leftMs: number },
): boolean {
  return cost === undefined || predictMs(cost, rows) + cost.overMs <= leftMs;
}

export interface Delayed {
  readonly bucket: Bucket;
  readonly free: readonly Option[];
  readonly options: BatchOptions;
}

/** How much longer the bucket waits for rows, in milliseconds. Only with several idle slots: with one, what comes while it is busy joins by itself. */
export function delayMs({ bucket, free, options }: Delayed, now: number): number {
  const slots = free.reduce((sum, one) => sum + one.slots, 0);
  const [first] = free;
  if (options.maxDelayMs === 0 || slots < 2 || first === undefined) return 0;
  const learner = learnerAt(bucket, first.place);
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

export interface Share {
  readonly place: Place;
  readonly rows: number;
  /** What it was compared by, in words, as it was then. */
  readonly why: () => string;
}

export interface Dealing {
  readonly now: number;
  readonly cap: number;
  /** What there is to deal; the rows that wait, when absent. */
  readonly rows?: number;
}

/** Which endpoints get how many of the rows that wait. */
export function shares(
  bucket: Bucket,
  free: readonly Option[],
  { now, cap, rows: waiting = bucket.line.rows }: Dealing,
): readonly Share[] {
  const known = free.map(({ place }) => {
    const learner = learnerAt(bucket, place);
    return { place, learner, useful: Math.min(cap, learner.useful(now)) };
  });
  const least = known.reduce((a, b) => (b.learner.samples + b.place.own < a.learner.samples + a.place.own ? b : a));
  // one of which too little is known is tried first
  const { samples } = least.learner;
  if (known.length === 1) return [{ place: least.place, rows: least.useful, why: isOnly }];
  if (samples < ENOUGH) {
    return [{ place: least.place, rows: least.useful, why: () => `to be tried, ${samples} of ${ENOUGH} runs timed` }];
  }
  const vessels = known.map(({ place, learner, useful }): Vessel => {
    const { a, B } = learner.cost() ?? { a: 0, B: 0 };
    return { a, B, waitMs: expectedWaitMs(place), useful };
  });
  const rows = fill(waiting, vessels);
  return known.flatMap(({ place }, i) => {
    const own = rows[i] ?? 0;
    return own > 0
      ? [{ place, rows: own, why: () => describeDeal({ at: i, rows: waiting, dealt: rows, vessels }) }]
      : [];
  });
}

const isOnly = () => "the only one free";

interface Dealt {
  readonly at: number;
  readonly rows: number;
  readonly dealt: readonly number[];
  readonly vessels: readonly Vessel[];
}

/** The predicted times that were compared: `12.1 ms, others 14.0, 31.5`, and of rows that were divided `12.1 ms for 16 of 40 rows, ...`. */
function describeDeal({ at, rows, dealt, vessels }: Dealt): string {
  const isDivided = dealt.filter((own) => own > 0).length > 1;
  const times = vessels.map((vessel, i) => aloneMs(isDivided ? (dealt[i] ?? 0) : rows, vessel));
  const others = times.filter((_, i) => i !== at && (!isDivided || (dealt[i] ?? 0) > 0)).sort((a, b) => a - b);
  const [second = 0, third = 0, fourth = 0] = others;
  const score = times[at] ?? 0;
  const of = isDivided ? ` for ${dealt[at]} of ${rows} rows` : "";
  const unit = { ...MS, whole: (ms: number) => `${MS.whole(ms)}${of}` };
  return describeRanked({ score, second, third, fourth, others: others.length }, unit);
}

function expectedWaitMs(place: Place): number {
  return place.own === 0 ? 0 : place.queuedMs;
}

export interface Forming extends Pick<Share, "place" | "rows"> {
  readonly now: number;
  readonly options: BatchOptions;
}

/** The members that go to the place now. Nothing is taken out of the line. */
export function formFor(bucket: Bucket, { place, rows, now, options }: Forming): Formed {
  const learner = learnerAt(bucket, place);
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

export interface Learning {
  readonly bucket: Bucket;
  readonly place: Place;
  readonly now: number;
}

/** Remembers what a run took, and how long it waited there. */
export function learnFrom({ rows, tookMs, queuedMs, endpoint }: Ran, { bucket, place, now }: Learning): void {
  // another may have answered than the one that was chosen
  bucket.learner((place.id === undefined ? undefined : endpoint) ?? place.id ?? ANYWHERE).learn(rows, tookMs, now);
  place.queuedMs += ALPHA * (queuedMs - place.queuedMs);
}

// How the rows that wait are divided among several endpoints of different speeds, so that all finish at one time.

export interface Vessel {
  /** Milliseconds for one row, and for a batch of none. */
  readonly a: number;
  readonly B: number;
  /** Milliseconds before it can begin. */
  readonly waitMs: number;
  /** The most rows that are worth joining there, at least 1. */
  readonly useful: number;
}

/** A split must finish in at most this share of the time that the best endpoint alone would take. Source: rule 7. */
const WORTH_SPLITTING = 0.9;

/**
 * How many rows each gets, at most `useful` of it; what nobody gets waits on. Only the best endpoint gets any unless
 * dividing the rows ends at 0.9 of its time or earlier.
 *
 * @param rows at least 1
 */
export function fill(rows: number, vessels: readonly Vessel[]): readonly number[] {
  const alone = vessels.map((vessel) => aloneMs(rows, vessel));
  const best = alone.indexOf(Math.min(...alone));
  const bestMs = alone[best] ?? 0;
  const level = levelOf(rows, vessels);
  if (vessels.length > 1 && level <= WORTH_SPLITTING * bestMs) return poured(rows, vessels, level);
  return vessels.map((vessel, i) => (i === best ? Math.min(rows, vessel.useful) : 0));
}

/** When the rows would be done by this endpoint alone, in batches as large as is useful, in milliseconds from now. */
export function aloneMs(rows: number, { a, B, waitMs, useful }: Vessel): number {
  return waitMs + a * rows + B * Math.ceil(rows / useful);
}

/** min(useful, (T - wait - B) / a), at least 0. */
function share({ a, B, waitMs, useful }: Vessel, untilMs: number): number {
  const left = untilMs - waitMs - B;
  if (left < 0) return 0;
  return a === 0 ? useful : Math.min(useful, left / a);
}

/** The earliest time by which all the rows are done, or as many as fit into one batch at each. */
function levelOf(rows: number, vessels: readonly Vessel[]): number {
  const room = vessels.reduce((sum, { useful }) => sum + useful, 0);
  const wanted = Math.min(rows, room);
  const held = (untilMs: number) => vessels.reduce((sum, vessel) => sum + share(vessel, untilMs), 0);
  let [low, high] = [0, Math.max(...vessels.map(({ a, B, waitMs, useful }) => waitMs + B + a * useful))];
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (held(middle) >= wanted) high = middle;
    else low = middle;
  }
  return high;
}

/** Whole rows: what is lost to rounding down goes to those that lost most. */
function poured(rows: number, vessels: readonly Vessel[], untilMs: number): readonly number[] {
  const exact = vessels.map((vessel) => share(vessel, untilMs));
  const whole = exact.map(Math.floor);
  let left =
    Math.min(Math.round(exact.reduce((sum, one) => sum + one, 0)), rows) - whole.reduce((sum, one) => sum + one, 0);
  const byLoss = exact.map((_, i) => i).sort((a, b) => ((exact[b] as number) % 1) - ((exact[a] as number) % 1));
  for (const i of byLoss) {
    if (left <= 0) break;
    if ((exact[i] as number) % 1 === 0) continue;
    whole[i] = (whole[i] as number) + 1;
    left -= 1;
  }
  return whole;
}

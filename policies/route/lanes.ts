// Which buckets each variant of an experiment has, so that a variant grows into buckets of the control alone.

import { BUCKETS } from "./bucket.ts";

/** Buckets from `from` up to, not including, `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
  /** The variant's index; the control is -1. */
  readonly variant: number;
}

/** A stretch of buckets in which one variant grows from the lower end and another from the upper end. */
interface Lane {
  readonly from: number;
  readonly to: number;
  readonly up: Grower;
  readonly down: Grower | undefined;
}

interface Grower {
  readonly variant: number;
  readonly wanted: number;
  got: number;
}

/**
 * The ranges of the variants beside the control, from the bottom up; together they are every bucket.
 *
 * One or two variants have all the buckets as one lane, one from each end, and never meet before the control is used up:
 * growth is taken from the control alone. More variants have a lane for each two; that holds for them as long as no two in
 * a lane outgrow it, and what is too much for a lane takes what is free in the others. (No rule that looks at the
 * percentages alone can do better for three and more: any two may fill everything.)
 *
 * @param wanted the buckets of each variant, the control not among them; together at most all
 */
export function rangesOf(wanted: readonly number[]): readonly Range[] {
  const lanes = lanesOf(wanted);
  for (const lane of lanes) fill(lane);
  const taken = lanes.flatMap(ownRanges);
  for (const grower of lanes.flatMap(({ up, down }) => (down === undefined ? [up] : [up, down]))) {
    taken.push(...spill(grower, taken));
  }
  return withControl(taken);
}

function lanesOf(wanted: readonly number[]): readonly Lane[] {
  const bound = (i: number) => Math.floor((i * BUCKETS) / wanted.length);
  const lanes: Lane[] = [];
  for (let i = 0; i < wanted.length; i += 2) {
    const grower = (variant: number): Grower => ({ variant, wanted: wanted[variant] ?? 0, got: 0 });
    const two = i + 1 < wanted.length;
    lanes.push({
      from: bound(i),
      to: bound(i + (two ? 2 : 1)),
      up: grower(i),
      down: two ? grower(i + 1) : undefined,
    });
  }
  return lanes;
}

function fill({ from, to, up, down }: Lane): void {
  const width = to - from;
  const below = down?.wanted ?? 0;
  up.got = Math.min(up.wanted, Math.max(width - below, Math.floor(width / 2)));
  if (down !== undefined) down.got = Math.min(below, width - up.got);
}

function ownRanges({ from, to, up, down }: Lane): Range[] {
  const ranges = [{ from, to: from + up.got, variant: up.variant }];
  if (down !== undefined) ranges.push({ from: to - down.got, to, variant: down.variant });
  return ranges.filter((range) => range.from < range.to);
}

/** What a variant needs beyond its lane, from the highest free buckets. */
function spill({ variant, wanted, got }: Grower, taken: readonly Range[]): readonly Range[] {
  let missing = wanted - got;
  const ranges: Range[] = [];
  for (const gap of gaps(taken).reverse()) {
    if (missing === 0) break;
    const size = Math.min(missing, gap.to - gap.from);
    ranges.push({ from: gap.to - size, to: gap.to, variant });
    missing -= size;
  }
  return ranges;
}

function gaps(taken: readonly Range[]): { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  let at = 0;
  for (const { from, to } of [...taken].sort((a, b) => a.from - b.from)) {
    if (from > at) found.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (at < BUCKETS) found.push({ from: at, to: BUCKETS });
  return found;
}

function withControl(taken: readonly Range[]): readonly Range[] {
  const control = gaps(taken).map((gap) => ({ ...gap, variant: -1 }));
  return [...taken, ...control].sort((a, b) => a.from - b.from);
}

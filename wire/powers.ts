// Powers of ten, and products with them whose error is known, for exact conversions between decimals and doubles.

/** The greatest power for which the tables hold an entry, on both sides of zero. */
export const MAX_POWER = 60;

const SCALE_BITS = 320;

/** 10^k for k in [0, MAX_POWER], each the double nearest to it; exact up to 22. */
export const TEN: Float64Array = Float64Array.from({ length: MAX_POWER + 1 }, (_, k) => Number(`1e${k}`));

/** 10^(k - MAX_POWER) at k, for k in [0, 2 * MAX_POWER], each the double nearest to it. */
export const POWERS: Float64Array = Float64Array.from({ length: 2 * MAX_POWER + 1 }, (_, i) =>
  Number(`1e${i - MAX_POWER}`),
);

// 10^k as POWERS + LOW, an unevaluated sum of two doubles, for k in [-MAX_POWER, MAX_POWER]; SPLIT is the upper half of
// the first one's bits.
const LOW = POWERS.map((high, i) => powerRest(i - MAX_POWER, high));
const SPLIT = POWERS.map(upperHalf);

function powerRest(k: number, high: number): number {
  const scale = 1n << BigInt(SCALE_BITS);
  const exact = k >= 0 ? 10n ** BigInt(k) * scale : scale / 10n ** BigInt(-k);
  // high * 2^320 is a whole number for every power here
  return Number(exact - BigInt(high * 2 ** SCALE_BITS)) / 2 ** SCALE_BITS;
}

function upperHalf(value: number): number {
  const c = 134217729 * value;
  return c - (c - value);
}

/**
 * The double nearest to (mantissa + rest) * 10^power, or NaN where that cannot be told for certain.
 *
 * Dekker's product gives mantissa * 10^power as a sum of two doubles; with the rest, known to 2^-52 of itself, the
 * error stays below 2^-85 of the whole. When both ends of a wider interval round to the same double, so does the true
 * value.
 *
 * @param mantissa whole, below 2^53, and at least 1e11 where there is a rest
 * @param rest in [0, 1)
 * @param power at most MAX_POWER on either side of zero
 */
export function timesPower(mantissa: number, rest: number, power: number): number {
  const i = power + MAX_POWER;
  const high = POWERS[i] as number;
  const product = mantissa * high;
  const a = upperHalf(mantissa);
  const b = mantissa - a;
  const c = SPLIT[i] as number;
  const d = high - c;
  const error = a * c - product + a * d + b * c + b * d;
  const tail = error + mantissa * (LOW[i] as number) + rest * high;
  const slack = product * 2 ** -82;
  const value = product + (tail - slack);
  return value === product + (tail + slack) ? value : Number.NaN;
}

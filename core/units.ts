// Durations and sizes as people write them in a config: a number and its unit, `500ms`, `256MiB`.

/** Milliseconds of one of each. */
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Bytes of one of each: powers of 1024 with an i, powers of 1000 without, as IEC 80000-13 has them. */
const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** What is said to someone who wrote something else. */
export const DURATION_EXPECTED = "a duration with its unit (ms, s, m, h or d), such as 500ms or 5s";

/** What is said to someone who wrote something else. */
export const BYTES_EXPECTED = "a size with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 256MiB";

/**
 * Milliseconds from text such as `500ms`, `1.5s`, `10m`; undefined for anything else. A number without a unit is no
 * duration, save a bare 0.
 */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS);
}

/** Whole bytes from text such as `256MiB` or `64KB`; undefined for anything else. A bare 0 is 0. */
export function parseBytes(text: string): number | undefined {
  const bytes = parse(text, BYTE_UNITS);
  return bytes === undefined ? undefined : Math.round(bytes);
}

/** `1500` as `1.5s`: the largest unit that is not above the value, at most three decimals. */
export function formatDuration(ms: number): string {
  return format(ms, DURATION_UNITS, "ms");
}

/** `268435456` as `256MiB`: binary units, at most three decimals. */
export function formatBytes(bytes: number): string {
  const binary = Object.fromEntries(Object.entries(BYTE_UNITS).filter(([unit]) => unit === "B" || unit.includes("i")));
  return format(bytes, binary, "B");
}

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  if (text.trim() === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = "", unit = ""] = match;
  if (!Object.hasOwn(units, unit)) return undefined;
  const value = Number(digits) * (units[unit] as number);
  return Number.isSafeInteger(Math.round(value)) ? value : undefined;
}

function format(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  let best: readonly [string, number] = [smallest, units[smallest] as number];
  for (const entry of Object.entries(units)) if (value >= entry[1] && entry[1] > best[1]) best = entry;
  return `${Math.round((value / best[1]) * 1000) / 1000}${best[0]}`;
}

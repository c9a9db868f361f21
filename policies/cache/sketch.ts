// How often keys were asked for of late, in a quarter of a megabyte whatever their number: a count-min sketch that forgets.

/** Counts keys that are digests: their bytes are spread evenly already. */
export interface Sketch {
  note(key: string): void;
  /** At least how often the key was noted of late, 15 at most; more where keys share all their counters. */
  count(key: string): number;
}

const ROWS = 4;
const COLUMNS = 65_536;
const MOST = 15;
/** After so many notes all counts are halved: what was popular once makes room. Source: TinyLFU, Einziger et al., 2017. */
const NOTES_AN_AGE = 10 * COLUMNS;

export function openSketch(): Sketch {
  const counters = new Uint8Array(ROWS * COLUMNS);
  let notes = 0;
  return {
    note(key) {
      const least = leastOf(counters, key);
      if (least >= MOST) return;
      // only the smallest counters grow: others count somebody else as well
      for (let row = 0; row < ROWS; row += 1) {
        const at = placeOf(key, row);
        if (counters[at] === least) counters[at] = least + 1;
      }
      notes += 1;
      if (notes < NOTES_AN_AGE) return;
      notes = 0;
      for (let i = 0; i < counters.length; i += 1) counters[i] = (counters[i] as number) >> 1;
    },
    count: (key) => leastOf(counters, key),
  };
}

function leastOf(counters: Uint8Array, key: string): number {
  let least = MOST;
  for (let row = 0; row < ROWS; row += 1) least = Math.min(least, counters[placeOf(key, row)] as number);
  return least;
}

function placeOf(key: string, row: number): number {
  return row * COLUMNS + ((key.charCodeAt(2 * row) & 0xff) | ((key.charCodeAt(2 * row + 1) & 0xff) << 8));
}

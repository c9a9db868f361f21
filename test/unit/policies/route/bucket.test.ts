import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { BUCKETS, bucketsFor, placeOf } from "../../../../policies/route/bucket.ts";

const UNITS = 1_000_000;
const buckets = new Uint16Array(UNITS);
const others = new Uint16Array(UNITS);

beforeAll(() => {
  for (let i = 0; i < UNITS; i += 1) {
    buckets[i] = placeOf("m/next", `user-${i}`).bucket;
    others[i] = placeOf("wording", `user-${i}`).bucket;
  }
}, 60_000);

describe("the bucket of a unit", () => {
  // hashlib.sha256(b"m/next\0" + unit).digest()[:6] as a big-endian number, modulo 10000; computed with Python 3.11
  it.each([
    ["m/next", "42", 9519],
    ["m/next", "user-1", 4621],
    ["wording", "42", 2945],
    ["wording", "Zoë", 8465],
    ["fraud/next", "a much longer unit, with spaces", 9257],
  ] as const)("under the salt %s of the unit %s is %i, as any other program computes it", (salt, unit, bucket) => {
    expect(placeOf(salt, unit).bucket).toBe(bucket);
  });

  it("is the same in another process", async () => {
    const file = fileURLToPath(new URL("../../../../policies/route/bucket.ts", import.meta.url));
    const script = `import { placeOf } from ${JSON.stringify(file)};
      console.log(JSON.stringify(Array.from({ length: 1000 }, (_, i) => placeOf("m/next", "user-" + i).bucket)));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    expect(JSON.parse(stdout)).toEqual([...buckets.subarray(0, 1000)]);
  });

  it.each([1, 5, 20, 50])("splits 1,000,000 units at %s % within 4 standard errors", (percent) => {
    const threshold = bucketsFor(percent);
    const inside = buckets.reduce((sum, bucket) => sum + (bucket < threshold ? 1 : 0), 0);
    const share = percent / 100;
    expect(Math.abs(inside - UNITS * share)).toBeLessThan(4 * Math.sqrt(UNITS * share * (1 - share)));
  });

  it("is even over all 10,000 buckets", () => {
    const counts = new Uint32Array(BUCKETS);
    for (const bucket of buckets) counts[bucket]! += 1;
    const expected = UNITS / BUCKETS;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 9,999 degrees of freedom: mean 9,999, standard deviation 141.4; 4 of them either way
    expect(Math.abs(chiSquare - (BUCKETS - 1))).toBeLessThan(4 * Math.sqrt(2 * (BUCKETS - 1)));
  });

  it("leaves nobody behind when the percentage grows from 1 to 5 to 20 to 50", () => {
    const steps = [1, 5, 20, 50].map(bucketsFor);
    let left = 0;
    for (const bucket of buckets) {
      for (let i = 1; i < steps.length; i += 1) {
        if (bucket < (steps[i - 1] as number) && bucket >= (steps[i] as number)) left += 1;
      }
    }
    expect(left).toBe(0);
  });

  it("in one experiment says nothing of the bucket in another", () => {
    const half = BUCKETS / 2;
    let both = 0;
    let equal = 0;
    for (let i = 0; i < UNITS; i += 1) {
      if ((buckets[i] as number) < half && (others[i] as number) < half) both += 1;
      if (buckets[i] === others[i]) equal += 1;
    }
    expect(Math.abs(both - UNITS / 4)).toBeLessThan(4 * Math.sqrt((UNITS * 3) / 16));
    expect(Math.abs(equal - UNITS / BUCKETS)).toBeLessThan(4 * Math.sqrt(UNITS / BUCKETS));
  });

  it("would be found dependent were two experiments to share a salt", () => {
    const half = BUCKETS / 2;
    const both = buckets.reduce((sum, bucket) => sum + (bucket < half && bucket < half ? 1 : 0), 0);
    expect(Math.abs(both - UNITS / 4)).toBeGreaterThan(4 * Math.sqrt((UNITS * 3) / 16));
  });
});

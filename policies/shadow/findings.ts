// What a shadow has found out: how often the answers differ, by how much, and how far the model is from itself.

import type { InferRequest } from "../../core/request.ts";
import { bytesElements, type Tensor } from "../../core/tensor.ts";
import { openQuantiles, type Quantiles } from "../quantiles.ts";
import type { Difference } from "./compare.ts";
import { numbersOf } from "./numbers.ts";
import { openWorst, type WorstCase, type WorstLimits } from "./worst.ts";

export type ShadowResult = "same" | "different" | "within-noise" | "failed" | "skipped";

export interface Findings {
  /** Takes in a comparison; says how it counts. */
  compared(
    differences: readonly Difference[],
    about: Omit<WorstCase, "worst" | "inputs">,
    request: InferRequest,
  ): ShadowResult;
  /** Takes in how far the answering version is from itself. */
  noise(differences: readonly Difference[]): void;
  /** Counts a request that was not compared, and why. */
  count(result: "failed" | "skipped", why: string): void;
  /** Plain JSON. */
  facts(): unknown;
}

/** So many double calls tell how far a model is from itself; fewer blame or excuse by accident. */
const ENOUGH_NOISE = 20;
/** Reasons are a closed few; a bound all the same. */
const MAX_REASONS = 32;
/** Values of an input that are shown. */
const SHOWN = 16;

export function openFindings(limits: WorstLimits): Findings {
  const results: Record<ShadowResult, number> = { same: 0, different: 0, "within-noise": 0, failed: 0, skipped: 0 };
  const reasons = new Map<string, number>();
  const outputs = new Map<string, Quantiles>();
  const noises = new Map<string, Quantiles>();
  const worst = openWorst(limits);
  const excused = ({ output, difference }: Difference) => {
    const noise = noises.get(output);
    return noise !== undefined && noise.count >= ENOUGH_NOISE && difference <= noise.quantile(0.99);
  };
  const judge = (differences: readonly Difference[]): ShadowResult => {
    const beyond = differences.filter((one) => !one.same);
    if (beyond.length === 0) return "same";
    return beyond.every(excused) ? "within-noise" : "different";
  };
  return {
    compared(differences, about, request) {
      for (const one of differences) sketchOf(outputs, one.output).add(one.difference);
      const result = judge(differences);
      results[result] += 1;
      const furthest = differences.reduce<Difference | undefined>(
        (found, one) => (found === undefined || one.difference > found.difference ? one : found),
        undefined,
      );
      if (furthest !== undefined && furthest.difference > 0) worst.offer({ ...about, worst: furthest }, request);
      return result;
    },
    noise(differences) {
      for (const one of differences) sketchOf(noises, one.output).add(one.difference);
    },
    count(result, why) {
      results[result] += 1;
      const key = reasons.has(why) || reasons.size < MAX_REASONS ? why : "other";
      reasons.set(key, (reasons.get(key) ?? 0) + 1);
    },
    facts: () => ({
      results,
      reasons: Object.fromEntries(reasons),
      difference: quantilesOf(outputs),
      noise: quantilesOf(noises),
      worst: worst.list().map(shown),
    }),
  };
}

/** Outputs of one model are few; what comes beyond goes together. */
const MAX_OUTPUTS = 256;

function sketchOf(sketches: Map<string, Quantiles>, output: string): Quantiles {
  const name = sketches.has(output) || sketches.size < MAX_OUTPUTS ? output : "other";
  const sketch = sketches.get(name) ?? openQuantiles();
  sketches.set(name, sketch);
  return sketch;
}

function quantilesOf(sketches: ReadonlyMap<string, Quantiles>): unknown {
  const entries = [...sketches].map(([output, sketch]) => {
    const [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1].map((q) => finite(sketch.quantile(q)));
    return [output, { count: sketch.count, incomparable: sketch.infinite, p50, p90, p99, max }] as const;
  });
  return Object.fromEntries(entries);
}

/** JSON has no Infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function shown({ worst, inputs, at, ...about }: WorstCase): unknown {
  return {
    ...about,
    at: at / 1000,
    output: worst.output,
    difference: finite(worst.difference),
    why: worst.why,
    inputs: inputs?.map(shownTensor) ?? "too large to keep",
  };
}

function shownTensor(tensor: Tensor): unknown {
  const { name, datatype, shape } = tensor;
  return { name, datatype, shape, data: firstValues(tensor) };
}

function firstValues(tensor: Tensor): readonly unknown[] {
  const numbers = numbersOf(tensor);
  if (numbers !== undefined)
    return Array.from({ length: Math.min(SHOWN, numbers.count) }, (_, i) => finite(numbers.at(i)));
  const texts: string[] = [];
  for (const element of bytesElements(tensor.data)) {
    if (texts.length === SHOWN) break;
    texts.push(Buffer.from(element).toString("utf8", 0, 200));
  }
  return texts;
}

// The demo models in a whole gateway, and random inputs that fit them.

import { readFileSync } from "node:fs";
import { backendKinds } from "../../backends/registry.ts";
import { seededRandom } from "./fake-env.ts";
import { ROOT, startGateway, type TestGateway } from "./gateway.ts";
import { type Plain, plain } from "./gateway-oip.ts";

/** The demo models as the gateway serves them; `more` are words beside the repository's. */
export function startDemo(more = ""): Promise<TestGateway> {
  return startGateway({ yaml: `backends: {local: {kind: onnx, repository: ./models${more}}}`, kinds: backendKinds });
}

/** The file of a demo model's version. */
export function demoFile(model: string, version: string): string {
  return `${ROOT}models/${model}/${version}/model.onnx`;
}

/** Every version of every demo model. */
export const DEMO_VERSIONS = [
  ["add_sub", "1"],
  ["digits", "1"],
  ["digits", "2"],
  ["iris", "1"],
  ["language", "1"],
] as const;

export type DemoModel = (typeof DEMO_VERSIONS)[number][0];

export interface Chance {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
  pick<T>(from: readonly T[]): T;
}

export function chance(seed: number): Chance {
  const next = seededRandom(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  return { next, below, pick: (from) => from[below(from.length)] as (typeof from)[number] };
}

/** Floats that codecs get wrong first. Source of the subnormals: IEEE 754 binary32. */
const ODD_FLOATS = [0, -0, 1e-45, -1.1754942e-38, 3.4028235e38, 0.1, 1 / 3, 16777217, 1e-7, 1e21, 123456.789];
const WITHOUT_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const ODD_INTS = [-2147483648, 2147483647, 0, -1, 1, 65536];
const TEXTS = [
  "Everyone has the right to life",
  "Alle Menschen sind frei",
  "人人生而自由",
  "Всі люди",
  "",
  "é\u0301",
  '🐍 "\\\n\t/',
];

const FLOATS: Readonly<Record<string, { readonly name: string; readonly row: readonly number[] }>> = {
  digits: { name: "image", row: [1, 8, 8] },
  iris: { name: "measurements", row: [4] },
};

/** Inputs of so many rows; every fifth value is odd, and with `finite: false` some are no numbers at all. */
export function randomInputs(
  model: DemoModel,
  dice: Chance,
  of: { readonly rows: number; readonly finite?: boolean },
): Plain[] {
  const { rows, finite = false } = of;
  const fill = <T>(count: number, one: () => T): T[] => Array.from({ length: count }, one);
  if (model === "language") {
    const text = () => (dice.below(3) === 0 ? randomText(dice) : dice.pick(TEXTS));
    return [plain("text", "BYTES", [rows], fill(rows, text))];
  }
  if (model === "add_sub") {
    const int = () => (dice.below(5) === 0 ? dice.pick(ODD_INTS) : dice.below(2 ** 32) - 2 ** 31);
    return ["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [rows, 16], fill(rows * 16, int)));
  }
  const { name, row } = FLOATS[model] as (typeof FLOATS)[string];
  const odd = finite ? ODD_FLOATS : [...ODD_FLOATS, ...WITHOUT_NUMBERS];
  const float = () => Math.fround(dice.below(5) === 0 ? dice.pick(odd) : dice.next() * 16);
  const count = row.reduce((product, size) => product * size, rows);
  return [plain(name, "FP32", [rows, ...row], fill(count, float))];
}

/** Any text without NUL, which ONNX Runtime's binding would cut. */
function randomText(dice: Chance): string {
  const ranges = [
    [0x20, 0x7e],
    [0xa0, 0x24f],
    [0x370, 0x3ff],
    [0x4e00, 0x9fff],
    [0x1f300, 0x1f5ff],
  ] as const;
  const points = Array.from({ length: dice.below(40) }, () => {
    const [from, to] = dice.pick(ranges);
    return from + dice.below(to - from + 1);
  });
  return String.fromCodePoint(...points);
}

interface Sample {
  readonly truth: unknown;
  /** What each version answers. */
  readonly versions: Readonly<Record<string, unknown>>;
}

/** The requests in `samples/` with what they are known to give. */
export function demoSamples(
  model: DemoModel,
): { readonly name: string; readonly body: string; readonly sample: Sample }[] {
  const folder = `${ROOT}models/${model}/samples/`;
  const expected = JSON.parse(readFileSync(`${folder}expected.json`, "utf8")) as Readonly<Record<string, Sample>>;
  return Object.entries(expected).map(([name, sample]) => ({
    name,
    body: readFileSync(`${folder}${name}.json`, "utf8"),
    sample,
  }));
}

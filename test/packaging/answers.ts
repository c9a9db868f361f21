// Judges an answer of a demo model by what its makers wrote down beside the samples.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ROOT } from "./files.ts";

interface Output {
  readonly name: string;
  readonly data: readonly unknown[];
}

/** What the tests read of an answer in JSON. */
export interface Answer {
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly Output[];
}

type Expected = Readonly<Record<string, { readonly versions: Readonly<Record<string, unknown>> }>>;

/** The names of the samples that this answer is right for. */
export function samplesAnswered(answer: Answer): readonly string[] {
  const file = join(ROOT, "models", answer.model_name, "samples", "expected.json");
  const expected = JSON.parse(readFileSync(file, "utf8")) as Expected;
  return Object.entries(expected)
    .filter(([, sample]) => isRight(answer.outputs, sample.versions[answer.model_version]))
    .map(([name]) => name);
}

// An answer is written down as the first output, as all outputs by name, or as the class that has the highest score.
function isRight(outputs: readonly Output[], wanted: unknown): boolean {
  const first = outputs[0]?.data ?? [];
  if (Array.isArray(wanted)) return isDeepStrictEqual(first, wanted);
  if (typeof wanted === "number") return first.indexOf(Math.max(...(first as readonly number[]))) === wanted;
  return isDeepStrictEqual(Object.fromEntries(outputs.map(({ name, data }) => [name, data])), wanted);
}

// The words of a model that say where it runs: a backend, versions with their targets, labels, and what lies between.

import { z } from "zod";
import type { Bridge, BridgedTensor, TargetRef } from "../core/bridge.ts";
import { fixedTensor } from "../core/fixed.ts";
import { datatypeWord } from "../core/signature.ts";
import { show } from "../core/words.ts";

/** A version as it may be written: 1 or "1". */
const version = () =>
  z
    .union([z.int().min(0), z.string().min(1)], {
      error: (issue) => `expected a version such as 3 or "2024-05", got ${show(issue.input)}`,
    })
    .transform(String);

const bridgedWords = {
  name: z.string().min(1).optional().describe("Its name there; the same name where nothing is said."),
  datatype: datatypeWord()
    .optional()
    .describe("The datatype that clients see, where it is another one there: values that do not fit are refused."),
  batch: z
    .enum(["add", "drop"])
    .optional()
    .describe("add: it has a leading dimension of 1 more there; drop: it has the leading dimension of 1 not there."),
};

const bridgedInput = z.union([
  z.string().min(1),
  z.strictObject({
    ...bridgedWords,
    there: datatypeWord().optional().describe("Its datatype there, when it is cast."),
  }),
]);

const bridgedOutput = z.union([z.string().min(1), z.strictObject(bridgedWords)]);

const fixed = z.strictObject({
  datatype: datatypeWord(),
  shape: z.array(z.int().min(0)).describe("Sizes of the dimensions; empty for a scalar."),
  data: z.json().describe("The values, flat or nested as the shape; 64-bit whole numbers beyond 2^53 as text."),
});

/** The words of a target that are also the words of a model with a single one. */
export const targetWords = {
  backend: z.string().describe("The name of the backend that runs it."),
  model: z.string().min(1).optional().describe("The model's name there; the same name where nothing is said."),
  version: version().optional().describe("The version there; the newest where nothing is said."),
  label: z.string().min(1).optional().describe("A label there, instead of a version."),
  tags: z.array(z.string().min(1)).default([]).describe("Only endpoints of the backend that have all of these tags."),
  inputs: z.record(z.string(), bridgedInput).optional().describe("Inputs that have another name or form there."),
  outputs: z
    .record(z.string(), bridgedOutput)
    .optional()
    .describe("The outputs, by the names that clients see; those not listed here are left out."),
  artifact: z
    .string()
    .min(1)
    .optional()
    .describe("What the model there is, such as a hash: kept answers belong to it; say another when it is replaced."),
  fixed: z.record(z.string(), fixed).optional().describe("Inputs that it wants and clients never send."),
} as const;

const target = z.strictObject(targetWords);

/** What a model's `versions` hold: one target, or several that are declared equivalent. */
export const versionsWord = z
  .record(
    z.string(),
    z.union(
      [
        z.strictObject({ targets: z.array(target).min(1).describe("The equivalent targets that run the version.") }),
        target,
      ],
      {
        error: (issue) => versionExpected(issue.input),
      },
    ),
  )
  .describe("The versions that clients see, each with the target or the equivalent targets that run it.");

export const labelsWord = z
  .record(z.string(), version())
  .describe("Names of versions, movable: clients may ask for a label instead of a version.");

export type TargetWords = z.output<typeof target>;
export type VersionsWord = z.output<typeof versionsWord>;

function versionExpected(input: unknown): string {
  if (typeof input !== "object" || input === null)
    return `expected a target such as {backend: local}, got ${show(input)}`;
  return "targets" in input
    ? "expected {targets: [...]} with nothing beside it, and in it targets such as {backend: local, model: m}"
    : "expected a target: backend, and perhaps model, version, label, tags, inputs, outputs, artifact, fixed";
}

/** The targets of one version. */
export function targetsOf(words: VersionsWord[string]): readonly TargetWords[] {
  return "targets" in words ? words.targets : [words];
}

/** A target with its defaults: `name` is the logical model's. */
export function completeTarget(words: TargetWords, name: string): TargetRef {
  const bridge = bridgeOf(words);
  return {
    backend: words.backend,
    model: words.model ?? name,
    tags: words.tags,
    ...(words.version === undefined ? {} : { version: words.version }),
    ...(words.label === undefined ? {} : { label: words.label }),
    ...(words.artifact === undefined ? {} : { artifact: words.artifact }),
    ...(bridge === undefined ? {} : { bridge }),
  };
}

function bridgeOf({ inputs, outputs, fixed }: TargetWords): Bridge | undefined {
  if (inputs === undefined && outputs === undefined && fixed === undefined) return undefined;
  return {
    inputs: tensorsOf(inputs),
    outputs: tensorsOf(outputs),
    fixed: Object.entries(fixed ?? {}).map(([name, words]) => fixedTensor({ name, ...words })),
  };
}

function tensorsOf(words: TargetWords["inputs"]): ReadonlyMap<string, BridgedTensor> {
  return new Map(
    Object.entries(words ?? {}).map(([name, there]) => {
      if (typeof there === "string") return [name, { name: there }];
      const { datatype, batch } = there;
      return [
        name,
        {
          name: there.name ?? name,
          ...(datatype === undefined ? {} : { datatype }),
          ...(there.there === undefined ? {} : { there: there.there }),
          ...(batch === undefined ? {} : { batch }),
        },
      ];
    }),
  );
}

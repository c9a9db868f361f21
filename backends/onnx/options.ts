// The words of an onnx backend in the config, and of a model's own config.yaml.

import { availableParallelism } from "node:os";
import { z } from "zod";
import { duration } from "../../core/words.ts";
import type { SessionOptions } from "./messages.ts";

const count = () => z.int().min(1);

/** How sessions are made: for all models in the gateway's config, for one in its own. */
const sessionWords = {
  intraOpThreads: count()
    .max(256)
    .describe("Threads inside one run. More workers mostly serve better than more threads."),
  spinning: z
    .boolean()
    .describe("Let idle threads of a run burn CPU, to be there sooner when intraOpThreads is above 1."),
  graphOptimization: z
    .enum(["all", "basic", "extended", "disabled"])
    .describe("How far ONNX Runtime rewrites the graph before it runs it."),
  executionProviders: z
    .array(z.string().min(1))
    .min(1)
    .describe("What runs the graph, best first: cpu, or another that this build of onnxruntime-node has."),
};

/** The options of `kind: onnx`. */
export const onnxOptions = z.strictObject({
  repository: z
    .string()
    .min(1)
    .describe("The folder of models: <model>/<version>/model.onnx, or <model>.onnx as version 1."),
  workers: z
    .union([z.literal("auto"), count().max(512)])
    .default("auto")
    .describe("How many workers run models, each with its own sessions; auto is one a core."),
  isolation: z
    .enum(["thread", "process"])
    .default("thread")
    .describe(
      "thread: fastest. process: a native crash, or a run that never ends, costs a child process and one call.",
    ),
  queue: count().default(256).describe("How many runs may wait for one model."),
  runTimeout: duration()
    .prefault("5m")
    .describe("A run that takes longer frees its caller and costs its worker, which is replaced."),
  watch: z.boolean().default(true).describe("Load, replace and unload versions as the folder changes."),
  intraOpThreads: sessionWords.intraOpThreads.default(1),
  spinning: sessionWords.spinning.default(false),
  graphOptimization: sessionWords.graphOptimization.default("all"),
  executionProviders: sessionWords.executionProviders.default(["cpu"]),
});

export type OnnxOptions = z.output<typeof onnxOptions>;

const labelWord = /^(?!\d+$)[A-Za-z0-9_.-]{1,64}$/;

/** `<model>/config.yaml`. */
const modelWords = z.strictObject({
  workers: count().describe("How many of the backend's workers load this model."),
  warmUp: z
    .union([z.strictObject({ count: z.int().min(0).max(1000) }), z.array(z.string().min(1)).min(1)])
    .describe(
      "Before it is ready: how many runs of zeros in each worker, or files in the folder with OIP requests as JSON.",
    ),
  versionPolicy: z
    .union([
      z.literal("all"),
      z.strictObject({ latest: count() }),
      z.strictObject({ specific: z.array(z.union([count(), z.string().regex(/^[1-9]\d*$/)])).min(1) }),
    ])
    .describe("Which versions are loaded: all of them, the n newest, or those named."),
  labels: z
    .record(
      z.string().regex(labelWord, "expected a word that is no number, of letters, digits, _ . and -"),
      z.union([count(), z.string().regex(/^[1-9]\d*$/)]).transform(String),
    )
    .describe("Movable names of versions: {stable: 1}."),
  ...sessionWords,
});

const modelSchema = modelWords.partial();

/** What a model's own config.yaml says. */
export type ModelSettings = z.output<typeof modelSchema>;

/** What a model without a config.yaml says. */
export const NO_SETTINGS: ModelSettings = {};

/** @throws Error naming every mistake: unknown words too */
export function readModelSettings(value: unknown): ModelSettings {
  const read = modelSchema.safeParse(value ?? {});
  if (read.success) return read.data;
  const mistakes = read.error.issues.map((issue) => {
    const path = issue.path.join(".");
    return path === "" ? issue.message : `${path}: ${issue.message}`;
  });
  throw new Error(mistakes.join("; "));
}

/** The number of workers behind `workers`. */
export function workerCount(options: OnnxOptions): number {
  return options.workers === "auto" ? availableParallelism() : options.workers;
}

/** How a model's sessions are made: the model's own words before the backend's. */
export function sessionOptionsOf(options: OnnxOptions, settings: ModelSettings): SessionOptions {
  return {
    intraOpThreads: settings.intraOpThreads ?? options.intraOpThreads,
    spinning: settings.spinning ?? options.spinning,
    graphOptimization: settings.graphOptimization ?? options.graphOptimization,
    executionProviders: settings.executionProviders ?? options.executionProviders,
  };
}

/** The versions that the policy wants. @param versions from old to new */
export function wantedVersions(versions: readonly string[], settings: ModelSettings): readonly string[] {
  const policy = settings.versionPolicy ?? "all";
  if (policy === "all") return versions;
  if ("latest" in policy) return versions.slice(-policy.latest);
  const named = new Set(policy.specific.map(String));
  return versions.filter((version) => named.has(version));
}

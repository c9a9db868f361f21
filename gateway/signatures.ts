// Compares the signatures of a model's versions and targets: behind one name stands one signature.

import { bridgeSignature } from "../backends/bridge.ts";
import type { ModelConfig } from "../config/config.ts";
import { formatPath } from "../config/mistakes.ts";
import { unlessAborted } from "../core/call.ts";
import type { Clock } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { ModelMetadata, Signature, TensorSpec } from "../core/model.ts";
import { eachBranch, type PolicyKind, routeKinds } from "../core/policy.ts";
import { firstLook } from "./first-look.ts";
import type { Target, Versions } from "./versions.ts";

/** What a target's backend tells of it now, in the logical model's names. @throws InferError when it cannot tell */
export async function toldBy(target: Target, signal: AbortSignal): Promise<ModelMetadata> {
  const { at, model, version, bridge } = target;
  const there = await at.metadata({ name: model, ...(version === undefined ? {} : { version }) }, signal);
  return bridge === undefined ? there : bridgeSignature(bridge, there);
}

/** The versions that have another signature than the model, and why. */
export type Misfits = ReadonlyMap<string, string>;

export interface SignatureParts {
  readonly setting: ModelConfig;
  readonly versions: Versions;
  readonly kinds: readonly PolicyKind[];
}

/**
 * What is known to differ now: each version's targets against the signature that the config declares, else against the
 * first version that tells its own; and the route's fixed answers against that. Who cannot tell now is left out.
 */
export async function misfitsOf({ setting, versions, kinds }: SignatureParts, signal: AbortSignal): Promise<Misfits> {
  const misfits = new Map<string, string>();
  if (setting.runs.by !== "versions") return misfits;
  let model: Known | undefined =
    setting.signature === undefined ? undefined : { signature: setting.signature, where: "the config" };
  for (const version of setting.runs.versions.keys()) {
    for (const target of versions.targets(version)) {
      const told = await unlessAborted(toldBy(target, signal), signal).catch(() => undefined);
      if (told === undefined || told.inputs.length + told.outputs.length === 0) continue;
      model ??= { signature: told, where: `version ${version}` };
      const difference = differenceOf(told, model.signature);
      if (difference === undefined || misfits.has(version)) continue;
      const text = `version ${version} on backend "${target.at.name}": ${difference}, as ${model.where} has it`;
      misfits.set(version, `models.${setting.name}: ${text}`);
    }
  }
  const wrong = model === undefined ? undefined : wrongRoute(setting, kinds, model.signature);
  return wrong === undefined ? misfits : misfits.set("", wrong);
}

interface Known {
  readonly signature: Signature;
  readonly where: string;
}

/** The first difference that a client of the model would meet; undefined where there is none. */
export function differenceOf(version: Signature, model: Signature): string | undefined {
  for (const wanted of model.inputs) {
    const there = version.inputs.find(({ name }) => name === wanted.name);
    if (there === undefined) return `expected an input "${wanted.name}", got none`;
    const difference = specDifference(there, wanted);
    if (difference !== undefined) return `input "${wanted.name}": ${difference}`;
  }
  const extra = version.inputs.find(
    ({ name, optional }) => optional !== true && !model.inputs.some((one) => one.name === name),
  );
  if (extra !== undefined)
    return `input "${extra.name}": expected no such input (fixed: gives one that clients never send)`;
  for (const wanted of model.outputs) {
    const there = version.outputs.find(({ name }) => name === wanted.name);
    if (there === undefined) return `expected an output "${wanted.name}", got none`;
    const difference = specDifference(there, wanted);
    if (difference !== undefined) return `output "${wanted.name}": ${difference}`;
  }
  return undefined;
}

function specDifference(there: TensorSpec, wanted: TensorSpec): string | undefined {
  const fits =
    there.datatype === wanted.datatype &&
    there.shape.length === wanted.shape.length &&
    there.shape.every((size, i) => size === wanted.shape[i] || size === -1 || wanted.shape[i] === -1);
  return fits ? undefined : `expected ${specText(wanted)}, got ${specText(there)}`;
}

function specText({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(",")}]`;
}

function wrongRoute(
  { name, route }: ModelConfig,
  kinds: readonly PolicyKind[],
  signature: Signature,
): string | undefined {
  if (route === undefined) return undefined;
  for (const { path, it } of eachBranch(route, kinds)) {
    if (it.kind === "leaf") continue;
    const kind = routeKinds(kinds).find(({ word }) => word === it.word);
    const [wrong] = kind?.check?.(it.options, signature) ?? [];
    if (wrong === undefined) continue;
    return `${formatPath(["models", name, "route", ...path, it.word, ...wrong.path])}: ${wrong.it}`;
  }
  return undefined;
}

/** The versions of a model that fit together. */
export interface Fitting {
  /** The versions without those that are known not to fit. */
  readonly versions: Versions;
  /** Looks again. @throws InferError invalid-argument naming every misfit */
  check(signal: AbortSignal): Promise<void>;
  /** What a check would find now, each misfit in a line; nothing comes of it. */
  compare(signal: AbortSignal): Promise<readonly string[]>;
  close(): void;
}

export interface FittingParts extends SignatureParts {
  readonly clock: Clock;
  /** Hears of each misfit that is found later, once. */
  warn(text: string): void;
}

/** Signatures that come in late are looked at together, in milliseconds. */
const LATER_MS = 1_000;

/**
 * Keeps requests from versions that do not fit: also from those whose servers could tell only later, as when they were
 * down at the start. A model with one target has nothing to compare.
 */
export function openFitting(parts: FittingParts): Fitting {
  const { setting, versions, clock, warn } = parts;
  const { runs } = setting;
  const targets = runs.by === "versions" ? [...runs.versions.keys()].flatMap((one) => versions.targets(one)) : [];
  if (targets.length < 2) return { versions, check: async () => {}, compare: async () => [], close: () => {} };
  let misfits: Misfits = new Map();
  let stopTimer: (() => void) | undefined;
  const ended = new AbortController();
  const look = async (signal: AbortSignal) => {
    misfits = await misfitsOf(parts, signal);
  };
  const later = async () => {
    stopTimer = undefined;
    const before = new Set(misfits.values());
    await look(ended.signal);
    for (const text of misfits.values()) if (!before.has(text)) warn(text);
  };
  const onChange = () => {
    if (!ended.signal.aborted) stopTimer ??= clock.after(LATER_MS, () => void later());
  };
  const stops = [...new Set(targets.map(({ at }) => at))].map((at) => at.catalog.onChange(onChange));
  return {
    versions: fittingOf(versions, () => misfits),
    async check(signal) {
      // who has not been asked yet cannot tell
      await firstLook(targets, signal);
      await look(signal);
      if (misfits.size > 0) throw new InferError("invalid-argument", [...misfits.values()].join("\n"));
    },
    compare: async (signal) => [...(await misfitsOf(parts, signal)).values()],
    close() {
      ended.abort(new InferError("cancelled", "the model is no longer served"));
      stopTimer?.();
      for (const stop of stops) stop();
    },
  };
}

function fittingOf(versions: Versions, misfits: () => Misfits): Versions {
  return {
    ...versions,
    ready: () => {
      const found = misfits();
      return found.size === 0 ? versions.ready() : versions.ready()?.filter((version) => !found.has(version));
    },
    whyNot: (version) => misfits().get(version ?? "") ?? versions.whyNot(version),
  };
}

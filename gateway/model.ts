// A logical model: its versions, the leaf of each, its policies and its signature.

import { signatureThere } from "../backends/bridge.ts";
import { targetsOfModel } from "../config/complete.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Backend, Endpoint } from "../core/backend.ts";
import { type Call, unlessAborted } from "../core/call.ts";
import type { Env } from "../core/env.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { NamedGuard } from "../core/guard.ts";
import type { ModelMetadata } from "../core/model.ts";
import type { PolicyContext, PolicyKind, RouteContext } from "../core/policy.ts";
import type { Caller, Dialect, RunSliced, ServerMetadata } from "../core/protocol.ts";
import type { InferRequest } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import type { SharedStore } from "../core/store.ts";
import { firstLook } from "./first-look.ts";
import { type GuardTable, type HeldGuards, openGuards } from "./guards.ts";
import type { GuardsOf } from "./leaf.ts";
import { openLeaves } from "./leaves.ts";
import type { Kept } from "./parts.ts";
import { refuseRandom } from "./random.ts";
import { openRoute, type Route } from "./route.ts";
import { openSequences, SEQUENCE_LIMITS, type Sequences } from "./sequences.ts";
import { openFitting, toldBy } from "./signatures.ts";
import { modelStack } from "./stack.ts";
import { openStatistics, type Statistics } from "./statistics.ts";
import { chooseVersion, openVersions, type Target, type Versions } from "./versions.ts";

/** A model as clients know it. */
export interface LogicalModel {
  readonly name: string;
  readonly versions: Versions;
  readonly guards: ModelGuards;
  /** The way below the layers of the model. */
  readonly route: Route;
  readonly service: Service;
  readonly dialect: Dialect | undefined;
  /** @throws InferError when no target can tell and the config does not declare it */
  signature(version: string, signal: AbortSignal): Promise<ModelMetadata>;
  /**
   * Compares the signatures of its versions, as far as their servers tell them now.
   *
   * @throws InferError invalid-argument naming every version that does not fit, and what is different
   */
  check(signal: AbortSignal): Promise<void>;
  /** What such a comparison would find now, each misfit in a line; the model goes on as it is. */
  compare(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Waits until its backends have looked at their servers, and opens what its first request will need; not longer than the
   * signal allows. Never throws.
   */
  prepare(signal: AbortSignal): Promise<void>;
  /** Lets go of what it follows. */
  close(): void;
}

export interface PlaneOptions {
  readonly backends: readonly PlaneBackend[];
  /** The models of the config; when absent, every model of every backend under its own name. */
  readonly models: readonly ModelConfig[] | undefined;
  readonly policyKinds: readonly PolicyKind[];
  /** The layers above all models by their words; none when absent. */
  readonly layers?: ReadonlyMap<string, Layer>;
  /** What holds for a word that a model does not have. */
  readonly defaults: ReadonlyMap<string, unknown>;
  readonly readiness: "gateway" | "any" | "all";
  readonly zone?: string;
  /** What replicas count together. */
  readonly store?: SharedStore;
  readonly server: ServerMetadata;
  readonly env: Env;
  readonly run: RunSliced;
  /** The models that live on when the config changes, and the key that says all that one depends on. */
  readonly kept?: { readonly parts: Kept<LogicalModel>; readonly keyOf: (setting: ModelConfig) => string };
  /** The sequences that go on; a table of its own when absent. */
  readonly sequences?: Sequences;
  /** What counts the versions' answers; counters of its own when absent. */
  readonly statistics?: Statistics;
  /** The guards before endpoints; a table of its own when absent. */
  readonly guards?: GuardTable;
  /** Who may force a variant; nobody when absent. */
  readonly tester?: (caller: Caller) => boolean;
  /** Takes note of each request for a model that there is; nobody when absent. */
  readonly note?: (request: InferRequest, call: Call) => void;
  /** Takes note of exposures; nobody when absent. */
  readonly expose?: RouteContext["expose"];
}

/** A backend and the policies that hold for all models there. */
export interface PlaneBackend {
  readonly backend: Backend;
  readonly policies: ReadonlyMap<string, unknown>;
}

/** @throws InferError invalid-argument when the setting names a backend that is not there */
export function openModel(options: PlaneOptions, setting: ModelConfig): LogicalModel {
  const { name, runs, labels } = setting;
  const backend = (wanted: string): Backend => {
    const found = options.backends.find((one) => one.backend.name === wanted)?.backend;
    if (found !== undefined) return found;
    throw new InferError("invalid-argument", `models.${name}: no backend "${wanted}"`);
  };
  const fitting = openFitting({
    setting,
    versions: openVersions({ runs, labels, backend }),
    kinds: options.policyKinds,
    clock: options.env.clock,
    warn: (text) => options.env.log.error({ model: name }, text),
  });
  const { versions } = fitting;
  const words = wordsOf(options, setting);
  const signature = (version: string, signal: AbortSignal) => signatureOf({ setting, versions, version }, signal);
  const context = contextOf(options, setting);
  const statistics = options.statistics ?? openStatistics(options.env.clock);
  const guards = guardsOf(options, setting, backend);
  const leaves = openLeaves({
    context,
    kinds: options.policyKinds,
    words,
    versions,
    signature,
    run: options.run,
    statistics,
    guards: guards.of,
  });
  const { tester = () => false, expose = () => {}, policyKinds: kinds, run } = options;
  const newest = (signal: AbortSignal) =>
    signature(chooseVersion({ name, select: { by: "default" } }, versions), signal);
  const route = openRoute({
    model: name,
    tree: setting.route,
    kinds,
    versions,
    leaves,
    context: { ...context, signature: newest, tester, expose, run },
  });
  const sequences = options.sequences ?? openSequences({ clock: options.env.clock, ...SEQUENCE_LIMITS });
  const sequenced = sequences.above({
    name,
    stateful: (signal) =>
      newest(signal).then(
        (told) => told.stateful,
        () => false,
      ),
  });
  const stops = followed(setting, backend);
  return {
    name,
    versions,
    guards,
    route,
    service: modelStack({ layers: layersOf(options, setting, words), route: sequenced(route.service) }),
    signature,
    dialect: setting.dialect,
    async check(signal) {
      await fitting.check(signal);
      if (words.has("cache")) await refuseRandom({ model: name, versions, signature }, signal);
    },
    compare: fitting.compare,
    async prepare(signal) {
      const known = setting.runs.by === "versions" ? [...setting.runs.versions.keys()] : [""];
      await firstLook(known.flatMap(versions.targets), signal);
      const ready = versions.ready() ?? [];
      for (const version of ready) leaves.of(version);
      await Promise.allSettled(ready.map((version) => unlessAborted(signature(version, signal), signal)));
    },
    close() {
      fitting.close();
      guards.release();
      for (const stop of stops) stop();
    },
  };
}

/** The words in force for a model: its own, then those of its backend where it has one only, then the defaults. */
function wordsOf(options: PlaneOptions, setting: ModelConfig): ReadonlyMap<string, unknown> {
  const names = new Set(targetsOfModel(setting).map((target) => target.backend));
  const ofBackends = options.backends.filter(({ backend }) => names.has(backend.name));
  const [only] = ofBackends.length === 1 ? ofBackends : [];
  return new Map([...options.defaults, ...(only?.policies ?? []), ...setting.policies]);
}

/** What stands before the endpoints of a model's targets. */
export interface ModelGuards {
  readonly of: GuardsOf;
  /** What those before one endpoint say. */
  tell(target: Target, endpoint: Endpoint): readonly NamedGuard[];
  release(): void;
}

/** A backend's words hold for every model there that does not have them itself. */
function guardsOf(options: PlaneOptions, setting: ModelConfig, backend: (name: string) => Backend): ModelGuards {
  const table = options.guards ?? openGuards({ kinds: options.policyKinds, env: options.env });
  const held = new Map<Backend, HeldGuards>();
  for (const name of new Set(targetsOfModel(setting).map((target) => target.backend))) {
    const at = backend(name);
    const shared = options.backends.find((one) => one.backend === at)?.policies ?? new Map();
    held.set(at, table.hold({ backend: at, shared, model: setting.name, own: setting.policies }));
  }
  return {
    of: ({ at }, endpoint) => held.get(at)?.of(endpoint),
    tell: ({ at }, endpoint) => held.get(at)?.tell(endpoint) ?? [],
    release() {
      for (const one of held.values()) one.release();
    },
  };
}

function contextOf(options: PlaneOptions, setting: ModelConfig): PolicyContext {
  const { env, zone, store } = options;
  return {
    model: setting.name,
    env,
    ...(zone === undefined ? {} : { zone }),
    ...(store === undefined ? {} : { store }),
  };
}

function layersOf(
  options: PlaneOptions,
  setting: ModelConfig,
  words: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, Layer> {
  const layers = new Map<string, Layer>();
  for (const kind of options.policyKinds) {
    if (kind.place !== "layer" || !words.has(kind.word)) continue;
    layers.set(kind.word, kind.build(words.get(kind.word), contextOf(options, setting)));
  }
  return layers;
}

function followed(setting: ModelConfig, backend: (name: string) => Backend): readonly (() => void)[] {
  return targetsOfModel(setting).flatMap(({ backend: name, model, bridge }) => {
    const { signature } = setting;
    const declared = signature === undefined || bridge === undefined ? signature : signatureThere(bridge, signature);
    const stop = backend(name).follow?.({ name: model, ...(declared === undefined ? {} : { declared }) });
    return stop === undefined ? [] : [stop];
  });
}

interface SignatureParts {
  readonly setting: ModelConfig;
  readonly versions: Versions;
  readonly version: string;
}

/** What the first target that can tell says, in the logical model's names; else what the config declares. */
async function signatureOf(parts: SignatureParts, signal: AbortSignal): Promise<ModelMetadata> {
  const { setting, versions, version } = parts;
  const ready = versions.ready() ?? [];
  let fault: InferError | undefined;
  for (const target of versions.targets(version)) {
    try {
      return { ...(await toldBy(target, signal)), name: setting.name, version, versions: ready };
    } catch (error) {
      fault ??= asInferError(error);
    }
  }
  const { signature } = setting;
  if (signature === undefined) throw fault ?? new InferError("unavailable", `model "${setting.name}" has no target`);
  return { ...signature, name: setting.name, version, versions: ready, platform: "", stateful: false };
}

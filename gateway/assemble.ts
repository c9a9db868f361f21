// Builds the tree of services that a config describes: all of it, or nothing.

import { targetsOfModel } from "../config/complete.ts";
import type { BackendConfig, Config, ModelConfig } from "../config/config.ts";
import { parseYaml } from "../config/load.ts";
import type { Backend } from "../core/backend.ts";
import { openCodecMemory } from "../core/codec-memory.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { Planes } from "../core/protocol.ts";
import { policyKinds } from "../policies/registry.ts";
import { cachedModels, useAnswers, withRoom } from "./answers.ts";
import { openControl } from "./control.ts";
import { goOneWay, openCrowds } from "./crowds.ts";
import { toldWhole } from "./debug.ts";
import { openExposures } from "./exposures.ts";
import { openGuards } from "./guards.ts";
import { useMemo } from "./memo.ts";
import type { LogicalModel } from "./model.ts";
import { openOperator } from "./operator.ts";
import { canonical, type Kept, openKept, openParts, type Parts } from "./parts.ts";
import { openPlane, type Plane } from "./plane.ts";
import { openRecent, type Recent } from "./recent.ts";
import { openSageMaker } from "./sagemaker.ts";
import { openSequences, SEQUENCE_LIMITS } from "./sequences.ts";
import { openSharedMemory } from "./shared-memory.ts";
import { openSlicer } from "./slicer.ts";
import { openStatistics } from "./statistics.ts";
import { openStore } from "./store.ts";
import { openTesters } from "./testers.ts";
import { useTopLayers } from "./top-layers.ts";
import { openTraceSettings } from "./trace-settings.ts";
import { serverMetadata } from "./version.ts";

/** One config in force. Requests finish on the assembly that they began with. */
export interface Assembly {
  readonly config: Config;
  readonly planes: Planes;
  readonly backends: readonly Backend[];
  /** What does not fit in models that go on as they were: no reason to refuse a change of others. */
  readonly warnings: readonly string[];
  /** What the last requests were, also before the last change. */
  readonly recent: Recent;
  /** Makes what is new in it ready for the first request; takes 2 seconds at most. */
  prepare(): Promise<void>;
  /** Lets go of all that no newer assembly uses. */
  close(): Promise<void>;
}

/** What lives on when the config changes. */
interface Lasting {
  readonly parts: Parts;
  readonly models: Kept<LogicalModel>;
}

const lastingOf = new WeakMap<Assembly, Lasting>();

/**
 * Opens everything that the config names, or closes what it had opened and throws. Parts that are the same in
 * `previous` are handed over as they are, with their connections, sessions and statistics.
 *
 * @throws InferError invalid-argument when the config makes no sense (a model name in two backends), or what a
 *   backend's `open` throws
 */
export async function assemble(config: Config, env: Env, previous?: Assembly): Promise<Assembly> {
  const before = previous === undefined ? undefined : lastingOf.get(previous);
  const parts = openParts(before?.parts);
  const models = openKept(before?.models);
  try {
    const run = previous?.planes.run ?? openSlicer(env.clock);
    const backends: Backend[] = [];
    for (const setting of config.backends) {
      const { name, kind, options } = setting;
      const context = { name, env, baseDir: config.baseDir, parseYaml, run };
      backends.push(await parts.use(backendKey(config, setting), () => kind.open(options, context)));
    }
    warnOfAbsent(config, backends, env);
    const tester = openTesters(config.testers);
    const exposures = await parts.use(canonical(["exposures", config.exposures, config.baseDir]), async () =>
      openExposures({ config: config.exposures, baseDir: config.baseDir, env }),
    );
    const statistics = await parts.use("statistics", async () => openStatistics(env.clock));
    const guards = await parts.use("guards", async () => openGuards({ kinds: policyKinds, env }));
    const sequences = await parts.use("sequences", async () => openSequences({ clock: env.clock, ...SEQUENCE_LIMITS }));
    const { store: shared } = config;
    const store =
      shared === undefined
        ? undefined
        : await parts.use(canonical(["store", shared]), async () => openStore(shared, env));
    const answers = await useAnswers(parts, { config, env }, store);
    const memo = await useMemo(parts, config, answers);
    const recent = await parts.use("recent", async () => openRecent(env.clock));
    const settings = await parts.use("settings", async () => openTraceSettings(env.log));
    const { triton, limits } = config;
    const regions = !triton.sharedMemory
      ? undefined
      : await parts.use(canonical(["regions", limits.bodyBytes]), async () =>
          openSharedMemory({ folder: "/dev/shm", maxBytes: limits.bodyBytes }),
        );
    const plane = openPlane({
      kept: { parts: models, keyOf: openModelKeys(config) },
      backends: backends.map((backend, i) => ({ backend, policies: config.backends[i]?.policies ?? new Map() })),
      models: config.models,
      layers: await useTopLayers(parts, config, { env, ...(store === undefined ? {} : { store: store.counts }) }),
      policyKinds: withRoom(policyKinds, answers),
      defaults: new Map([["timeout", config.timeoutMs]]),
      readiness: config.readiness,
      ...(config.zone === undefined ? {} : { zone: config.zone }),
      ...(store === undefined ? {} : { store: store.counts }),
      server: serverMetadata(),
      env,
      run,
      tester,
      statistics,
      sequences,
      guards,
      expose: exposures.note,
      note: recent.note,
    });
    const warnings = await checked(plane, env);
    answers.retain(cachedModels(config));
    const planes: Planes = {
      data: config.debug ? toldWhole(plane) : plane,
      answers,
      crowds: openCrowds(env, goOneWay(config)),
      memo,
      heads: openCodecMemory(),
      control: openControl({
        plane,
        backends,
        byCatalog: config.models === undefined,
        mayChange: config.triton.control,
      }),
      operator: openOperator({ plane, config, env, statistics, settings, regions }),
      env,
      guards,
      run,
      limits: { maxInputs: config.limits.inputs, maxNesting: config.limits.nesting },
      sagemaker: openSageMaker(config, { clock: env.clock, run }),
      tenant: tenantOf(config),
      tester,
    };
    const assembly: Assembly = {
      config,
      planes,
      backends,
      warnings,
      recent,
      prepare: () => limited(env, plane.prepare),
      async close() {
        plane.close();
        await parts.close();
      },
    };
    lastingOf.set(assembly, { parts, models });
    return assembly;
  } catch (error) {
    models.close();
    await parts.close();
    throw error;
  }
}

/** All that a backend depends on, in the words of the config: what a kind makes of them cannot always be compared. */
function backendKey({ baseDir }: Config, { name, kind, source }: BackendConfig): string {
  return JSON.stringify(["backend", name, kind.kind, source.options, baseDir]);
}

/** All that a model depends on: its words, its backends and theirs, and what holds for all models. */
function openModelKeys(config: Config): (setting: ModelConfig) => string {
  const { baseDir, timeoutMs, zone, testers, exposures, store, cache } = config;
  const common = canonical([baseDir, timeoutMs, zone, testers, exposures, store, cache]);
  const ofBackend = new Map(
    config.backends.map((setting) => [setting.name, [backendKey(config, setting), setting.source.policies]]),
  );
  return (setting) => {
    const names = [...new Set(targetsOfModel(setting).map(({ backend }) => backend))];
    return JSON.stringify(["model", setting.name, setting.source, names.map((name) => ofBackend.get(name)), common]);
  };
}

/** How long a start or a change waits for servers to tell their signatures; who is later is compared then. */
const SIGNATURES_MS = 2_000;

async function checked(plane: Plane, env: Env): Promise<readonly string[]> {
  try {
    return await limited(env, plane.check);
  } catch (error) {
    plane.close();
    throw error;
  }
}

async function limited<T>(env: Env, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const late = new InferError("deadline-exceeded", "the server has not told its signature yet");
  const stopTimer = env.clock.after(SIGNATURES_MS, () => limit.abort(late));
  try {
    return await work(limit.signal);
  } finally {
    stopTimer();
  }
}

/** A model that its backend does not have may come later; until then nobody can ask for it. */
function warnOfAbsent(config: Config, backends: readonly Backend[], env: Env): void {
  for (const setting of config.models ?? []) {
    for (const { backend, model } of targetsOfModel(setting)) {
      const there = backends.find((one) => one.name === backend);
      // what a server has is known once it has been asked
      if (there?.follow !== undefined || there?.catalog.ready(model) !== undefined) continue;
      const text = `models.${setting.name}: backend "${backend}" has no model "${model}" now`;
      env.log.warn({ model: setting.name, backend }, text);
    }
  }
}

function tenantOf(config: Config): Planes["tenant"] {
  const { tenant } = config;
  if (tenant === undefined) return () => undefined;
  return (headers) => headers.get(tenant.header);
}

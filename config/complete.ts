// From the words of a config to the config that the gateway reads.

import { dirname, resolve } from "node:path";
import type { TargetRef } from "../core/bridge.ts";
import { wordKinds } from "../core/policy.ts";
import { completeSignature } from "../core/signature.ts";
import {
  type BackendConfig,
  type Config,
  deepFreeze,
  type ExposuresConfig,
  type Kinds,
  type ModelConfig,
  type Runs,
  type StoreConfig,
} from "./config.ts";
import { isMap } from "./map.ts";
import type { Document } from "./schema.ts";
import { sourceText } from "./source.ts";
import { completeTarget, targetsOf } from "./targets.ts";

/** What the passes over a config have left of it when nothing is wrong. */
export interface Complete {
  readonly document: Document;
  readonly backends: readonly BackendConfig[];
  /** The config as YAML gives it. */
  readonly words: unknown;
}

/** The whole config, frozen. `file` is where it came from; relative paths start from its folder. */
export function completeConfig(shaped: Complete, kinds: Kinds, file: string): Config {
  const { document, backends, words } = shaped;
  const written = isMap(words) && isMap(words.models) ? words.models : {};
  const { limits, models, exposures, store, passthrough } = document;
  // frozen one by one: a kind belongs to its backend's module, not to the config
  const frozen = backends.map(({ options, ...backend }) => Object.freeze({ ...backend, options: deepFreeze(options) }));
  return deepFreeze({
    listen: document.listen,
    readiness: document.readiness,
    drainDelayMs: document.drainDelay,
    drainLimitMs: document.drainLimit,
    tenant: document.tenant,
    testers: document.testers,
    exposures: exposures === undefined ? undefined : completeExposures(exposures),
    admin: document.admin,
    store: store === undefined ? undefined : completeStore(store),
    cache: document.cache,
    timeoutMs: document.timeout,
    limits: {
      bodyBytes: limits.body,
      messageBytes: limits.message,
      inFlight: limits.inFlight,
      memory: limits.memory,
      lagMs: limits.lag,
      connections: limits.connections,
      headerBytes: limits.headers,
      urlBytes: limits.url,
      inputs: limits.inputs,
      nesting: limits.nesting,
      requestTimeoutMs: limits.requestTimeout,
    },
    log: document.log,
    debug: document.debug,
    triton: document.triton,
    sagemaker: document.sagemaker,
    passthrough: passthrough === undefined ? undefined : new Map(Object.entries(passthrough)),
    zone: document.zone,
    backends: frozen,
    models:
      models === undefined
        ? undefined
        : Object.entries(models).map(([name, model]) => ({
            ...completeModel([name, model], kinds),
            source: sourceText(written[name]),
          })),
    policies: topPolicies(document, kinds),
    file,
    baseDir: dirname(resolve(file)),
  });
}

function topPolicies(document: Document, kinds: Kinds): ReadonlyMap<string, unknown> {
  const words = document as unknown as Readonly<Record<string, unknown>>;
  const named = kinds.policies.flatMap((kind) =>
    kind.place === "layer" && kind.atTop !== undefined ? [kind.word] : [],
  );
  return new Map(named.flatMap((word) => (words[word] === undefined ? [] : [[word, words[word]]])));
}

type ModelWords = NonNullable<Document["models"]>[string];

function completeModel([name, words]: readonly [string, ModelWords], kinds: Kinds): Omit<ModelConfig, "source"> {
  const options: Readonly<Record<string, unknown>> = words;
  const policies = new Map<string, unknown>();
  for (const { word } of wordKinds(kinds.policies)) if (options[word] !== undefined) policies.set(word, options[word]);
  return {
    name,
    runs: completeRuns(name, words),
    labels: new Map(Object.entries(words.labels ?? {})),
    signature: words.signature === undefined ? undefined : completeSignature(words.signature),
    policies,
    ...(words.route === undefined ? {} : { route: words.route }),
    ...(words.endpoint === undefined ? {} : { endpoint: words.endpoint }),
    ...(words.dialect === undefined ? {} : { dialect: words.dialect }),
  };
}

function completeExposures({ to, every, batch, queue }: NonNullable<Document["exposures"]>): ExposuresConfig {
  return { to, everyMs: every, batch, queue };
}

function completeStore({ valkey, secret, timeout, prefix, maxValue }: NonNullable<Document["store"]>): StoreConfig {
  return { valkey, secret, timeoutMs: timeout, prefix, maxValueBytes: maxValue };
}

function completeRuns(name: string, words: ModelWords): Runs {
  const { versions, backend = "" } = words;
  if (versions === undefined) return { by: "backend", target: completeTarget({ ...words, backend }, name) };
  const entries = Object.entries(versions).map(([version, target]) => {
    const targets = targetsOf(target).map((each) => completeTarget(each, name));
    return [version, targets] as const;
  });
  return { by: "versions", versions: new Map(entries) };
}

/** Every target of a model, those of all its versions. */
export function targetsOfModel({ runs }: Pick<ModelConfig, "runs">): readonly TargetRef[] {
  return runs.by === "backend" ? [runs.target] : [...runs.versions.values()].flat();
}

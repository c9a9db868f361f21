// What another config would mean, in words and in the share of users who would get another version; nothing is opened.

import type { Config, ModelConfig } from "../config/config.ts";
import { isMap } from "../config/map.ts";
import { formatPath } from "../config/mistakes.ts";
import { sourceText } from "../config/source.ts";
import { type Call, openCall } from "../core/call.ts";
import type { PlannedModel } from "../core/change.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import { compareVersions } from "../core/model.ts";
import { eachBranch } from "../core/policy.ts";
import type { DataPlane, RunSliced } from "../core/protocol.ts";
import { unasked } from "../core/request.ts";
import type { Service } from "../core/service.ts";
import { policyKinds } from "../policies/registry.ts";
import { type UnitSource, unitOf } from "../policies/route/words.ts";
import { canonical } from "./parts.ts";
import type { RecentRequest } from "./recent.ts";
import { openRoute } from "./route.ts";
import { openTesters } from "./testers.ts";
import type { Versions } from "./versions.ts";

const WORDS = {
  listen: "listen",
  readiness: "readiness",
  drainDelayMs: "drainDelay",
  drainLimitMs: "drainLimit",
  tenant: "tenant",
  testers: "testers",
  exposures: "exposures",
  admin: "admin",
  timeoutMs: "timeout",
  limits: "limits",
  log: "log",
  triton: "triton",
  sagemaker: "sagemaker",
  passthrough: "passthrough",
  zone: "zone",
} as const;

/** One line a difference. What stands under a backend may be secret, so its values are not shown. */
export function describeChanges(before: Config, after: Config): readonly string[] {
  const words = (Object.keys(WORDS) as (keyof typeof WORDS)[]).flatMap((key) =>
    textOf(before[key]) === textOf(after[key]) ? [] : [`${WORDS[key]}: changed`],
  );
  const backends = pairs(before.backends, after.backends).flatMap(([name, old, now]) => {
    if (old === undefined) return [`backends.${name}: new`];
    if (now === undefined) return [`backends.${name}: gone`];
    if (old.kind.kind !== now.kind.kind || old.source.options !== now.source.options) {
      return [`backends.${name}: changed, so it is opened anew`];
    }
    return old.source.policies === now.source.policies ? [] : [`backends.${name}: other policies`];
  });
  const models = pairs(before.models ?? [], after.models ?? []).flatMap(([name, old, now]) => {
    if (old === undefined) return [`models.${name}: new`];
    if (now === undefined) return [`models.${name}: gone`];
    return [...differences(JSON.parse(old.source), JSON.parse(now.source), ["models", name])];
  });
  return [...words, ...backends, ...models];
}

function textOf(value: unknown): string {
  return canonical(value instanceof Map ? [...value] : value) ?? "";
}

function pairs<T extends { readonly name: string }>(before: readonly T[], after: readonly T[]) {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  const find = (list: readonly T[], name: string) => list.find((one) => one.name === name);
  return names.map((name) => [name, find(before, name), find(after, name)] as const);
}

function* differences(before: unknown, after: unknown, path: readonly (string | number)[]): Generator<string> {
  if (sourceText(before) === sourceText(after)) return;
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      yield* differences(before[key], after[key], [...path, key]);
    }
    return;
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [i, one] of before.entries()) yield* differences(one, after[i], [...path, i]);
    return;
  }
  yield `${formatPath(path)}: ${shown(before)} -> ${shown(after)}`;
}

const MAX_SHOWN = 80;

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}

export interface Replay {
  readonly before: Config;
  readonly after: Config;
  readonly recent: readonly RecentRequest[];
  /** The data plane in force, which knows the versions that a config does not declare. */
  readonly data: Pick<DataPlane, "versions">;
  readonly env: Env;
  readonly run: RunSliced;
}

/** Requests whose ways are found before others get their turn. */
const AT_ONCE = 50;

/** Sends the last requests over both configs' routes, model by model, and counts users who end at another version. */
export async function replay(options: Replay): Promise<readonly PlannedModel[]> {
  const counts = new Map<string, Count>();
  for (const [i, one] of options.recent.entries()) {
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise<void>((resolve) => options.env.clock.after(0, resolve));
    const { name } = one.request.model;
    const count = counts.get(name) ?? openCount(name, options);
    counts.set(name, count);
    await count.take(one);
  }
  return [...counts.values()].flatMap((count) => count.told() ?? []);
}

interface Count {
  take(recent: RecentRequest): Promise<void>;
  /** Undefined where one of the configs does not have the model. */
  told(): PlannedModel | undefined;
}

function openCount(model: string, options: Replay): Count {
  const before = openWay(model, options.before, options);
  const after = openWay(model, options.after, options);
  const users = new Map<string, string | undefined>();
  let requests = 0;
  let inTurns = 0;
  return {
    async take(recent) {
      if (before === undefined || after === undefined) return;
      requests += 1;
      const [old, now] = [await before.walk(recent), await after.walk(recent)];
      const unit = old.unit ?? now.unit;
      if (unit === undefined || old.inTurns || now.inTurns) {
        inTurns += 1;
        return;
      }
      const moved = old.version === now.version ? undefined : `${old.version} -> ${now.version}`;
      users.set(unit, moved ?? users.get(unit));
    },
    told() {
      if (before === undefined || after === undefined) return undefined;
      const moves = new Map<string, number>();
      for (const move of users.values()) if (move !== undefined) moves.set(move, (moves.get(move) ?? 0) + 1);
      const moved = [...moves.values()].reduce((sum, count) => sum + count, 0);
      return { model, requests, inTurns, users: users.size, moved, moves: Object.fromEntries(moves) };
    },
  };
}

/** All that a plan asks of a version is which one it is. */
function leafOf(name: string, version: string): Service {
  return (_request, { trace }) => {
    trace.learn({ version });
    return Promise.resolve(unasked({ name, version }));
  };
}

interface Walked {
  readonly version: string;
  readonly unit: string | undefined;
  /** The way depends on whose turn it is, not on whose request. */
  readonly inTurns: boolean;
}

function openWay(model: string, config: Config, { data, env, run }: Replay) {
  const setting = config.models?.find(({ name }) => name === model);
  const versions = setting === undefined ? undefined : versionsOf(setting, data);
  if (setting === undefined || versions === undefined) return undefined;
  const nowhere = () => Promise.reject(new InferError("internal", "a plan sends nothing"));
  const { service } = openRoute({
    model,
    tree: setting.route,
    kinds: policyKinds,
    versions,
    leaves: { of: (version) => leafOf(model, version) },
    context: {
      model,
      env: { ...env, emit: () => {} },
      signature: nowhere,
      tester: openTesters(config.testers),
      expose: () => {},
      run,
    },
  });
  const sources = unitSources(setting);
  return {
    async walk({ request, call: asked }: RecentRequest): Promise<Walked> {
      const call = openCall({ id: "plan", traceparent: "", clock: env.clock, purpose: "explain", ...asked });
      try {
        await service(request, call).catch(() => {});
        return { version: call.trace.facts.version ?? "none", unit: firstUnit(sources, request, call), ...turns(call) };
      } finally {
        call.end();
      }
    },
  };
}

function turns({ trace }: Call): Pick<Walked, "inTurns"> {
  return { inTurns: trace.decisions.some(({ policy, said }) => policy === "weighted" || said.includes("in turns")) };
}

function firstUnit(sources: readonly UnitSource[], ...[request, call]: [RecentRequest["request"], Call]) {
  for (const source of sources) {
    const unit = unitOf(source, request, call);
    if (unit !== undefined) return unit;
  }
  return undefined;
}

function unitSources({ route }: ModelConfig): readonly UnitSource[] {
  if (route === undefined) return [];
  return [...eachBranch(route, policyKinds)].flatMap(({ it }) => {
    if (it.kind === "leaf" || !isMap(it.options) || !("unit" in it.options)) return [];
    return [it.options.unit as UnitSource];
  });
}

/** Every version as if it were ready: a plan says where requests should go. */
function versionsOf({ name, runs, labels }: ModelConfig, data: Replay["data"]): Versions | undefined {
  const names = runs.by === "versions" ? [...runs.versions.keys()].sort(compareVersions) : running(name, data);
  if (names.length === 0) return undefined;
  return {
    ready: () => names,
    list: () => names.map((version) => ({ version, state: "ready" })),
    knows: (version) => names.includes(version),
    label: (word) => labels.get(word),
    targets: () => [],
    whyNot: () => "",
    closed: true,
  };
}

function running(name: string, data: Replay["data"]): readonly string[] {
  try {
    return data.versions(name).map(({ version }) => version);
  } catch {
    return [];
  }
}

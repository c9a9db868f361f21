// The second pass over a config: its parts make sense together.

import { fixedTensor } from "../core/fixed.ts";
import type { PolicyKind } from "../core/policy.ts";
import { formatBytes } from "../core/units.ts";
import { checkFronts } from "./check-fronts.ts";
import { checkRoutes } from "./check-route.ts";
import type { Address, Listen } from "./config.ts";
import { isMap } from "./map.ts";
import { didYouMean, type Fault, type Path } from "./mistakes.ts";
import type { Document } from "./schema.ts";
import { type TargetWords, targetsOf } from "./targets.ts";
import { formatAddress } from "./words.ts";

/**
 * What is wrong between the words of a config that each have the right shape.
 *
 * @param config the same as YAML gives it, where a backend whose own words are wrong still has its name
 */
export function checkSense(document: Document, config: unknown, policies: readonly PolicyKind[]): readonly Fault[] {
  const backends = isMap(config) && isMap(config.backends) ? Object.keys(config.backends) : [];
  return [
    ...checkListen(document.listen, document.admin?.token),
    ...checkDebug(document),
    ...checkModels(document.models, backends),
    ...checkFronts(document, backends),
    ...checkRoutes(document.models ?? {}, policies),
    ...checkLimits(document),
  ];
}

/** What is wrong with the names in a config, whatever else is: names are keys, which no schema looks at. */
export function checkNames(config: unknown): readonly Fault[] {
  if (!isMap(config)) return [];
  return (["backends", "models"] as const).flatMap((place) => {
    const names = config[place];
    if (!isMap(names)) return [];
    return Object.keys(names).flatMap((name): readonly Fault[] => {
      const wrong = wrongName(name);
      return wrong === undefined ? [] : [{ path: [place, name], message: `expected a name ${wrong}`, at: "key" }];
    });
  });
}

/** What a name is expected to be and is not; undefined for a good one. Names stand in URLs, metrics and logs. */
function wrongName(name: string): string | undefined {
  if (name.trim() === "") return "that is not empty";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return `without control characters, got ${JSON.stringify(name)}`;
  if (/[/\\]/.test(name)) return `without a slash, got ${JSON.stringify(name)}`;
  if (name === "." || name === "..") return `that is no folder, got ${JSON.stringify(name)}`;
  if (name !== name.trim()) return `without spaces around it, got ${JSON.stringify(name)}`;
  return undefined;
}

/**
 * What is wrong with the addresses of the listeners; also for addresses given on the command line.
 *
 * @param token what operators must send, where the config has one
 */
export function checkListen(listen: Listen, token?: string): readonly Fault[] {
  const faults: Fault[] = [];
  const { admin } = listen;
  if (admin !== undefined && !isLoopback(admin.host) && token === undefined) {
    faults.push({
      path: ["listen", "admin"],
      message: `expected a loopback address such as 127.0.0.1:${admin.port}, got ${formatAddress(admin)}: off loopback the admin listener needs a token (admin.token)`,
    });
  }
  const listeners = (["http", "grpc", "admin"] as const).flatMap((name) => {
    const address = listen[name];
    return address === undefined ? [] : [{ name, address }];
  });
  for (const [i, { name, address }] of listeners.entries()) {
    const earlier = listeners.slice(0, i).find((other) => clash(other.address, address));
    if (earlier === undefined) continue;
    const taken = `expected an address of its own, got ${formatAddress(address)}`;
    faults.push({ path: ["listen", name], message: `${taken}, where listen.${earlier.name} listens` });
  }
  return faults;
}

/** What is wrong with telling callers about servers: only this machine may ask then, whoever says where it listens. */
export function checkDebug({ listen, debug }: { readonly listen: Listen; readonly debug: boolean }): readonly Fault[] {
  const open = (["http", "grpc"] as const).find((name) => !isLoopback(listen[name]?.host ?? "localhost"));
  const address = open === undefined ? undefined : listen[open];
  if (!debug || address === undefined) return [];
  const message = `expected false where others can reach the gateway (listen.${open}: ${formatAddress(address)}), got true: errors would tell them of its servers`;
  return [{ path: ["debug"], message }];
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

const ANYWHERE: readonly string[] = ["0.0.0.0", "::"];

function clash(a: Address, b: Address): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  const hosts = [a, b].map(({ host }) => (host === "localhost" ? "127.0.0.1" : host));
  return hosts[0] === hosts[1] || hosts.some((host) => ANYWHERE.includes(host));
}

function checkModels(models: Document["models"], known: readonly string[]): readonly Fault[] {
  if (models === undefined) return [];
  if (Object.keys(models).length === 0) {
    const hint = "leave the word out to serve every model of every backend";
    return [{ path: ["models"], message: `expected at least one model, got none (${hint})` }];
  }
  return Object.entries(models).flatMap(([name, words]) => [
    ...checkRuns(["models", name], words, known),
    ...checkLabels(["models", name], words),
  ]);
}

type ModelWords = NonNullable<Document["models"]>[string];

// The words of a single target, which mean nothing beside `versions`.
const OF_A_TARGET = ["backend", "model", "version", "label", "inputs", "outputs", "artifact", "fixed"] as const;

function checkRuns(at: Path, words: ModelWords, known: readonly string[]): readonly Fault[] {
  const { versions, backend } = words;
  if (versions === undefined) {
    if (backend !== undefined) return checkTarget(at, { ...words, backend }, known);
    return [{ path: [...at, "backend"], message: "expected the name of a backend, got nothing" }];
  }
  const faults: Fault[] = OF_A_TARGET.filter((word) => words[word] !== undefined).map((word) => ({
    path: [...at, word],
    message: `expected ${word} inside a version, got it beside versions`,
    at: "key",
  }));
  if (Object.keys(versions).length === 0) {
    faults.push({ path: [...at, "versions"], message: "expected at least one version, got none" });
  }
  for (const [version, target] of Object.entries(versions)) {
    const where = [...at, "versions", version];
    const several = "targets" in target;
    for (const [i, each] of targetsOf(target).entries()) {
      faults.push(...checkTarget(several ? [...where, "targets", i] : where, each, known));
    }
  }
  return faults;
}

function checkTarget(at: Path, target: TargetWords, known: readonly string[]): readonly Fault[] {
  const faults: Fault[] = [];
  if (!known.includes(target.backend)) {
    const guess = didYouMean(target.backend, known);
    const message = `expected the name of a backend (${known.join(", ")}), got ${JSON.stringify(target.backend)}${guess}`;
    faults.push({ path: [...at, "backend"], message });
  }
  if (target.version !== undefined && target.label !== undefined) {
    faults.push({ path: [...at, "label"], message: "expected a version or a label, got both", at: "key" });
  }
  for (const side of ["inputs", "outputs"] as const) {
    const names = Object.entries(target[side] ?? {}).map(([name, there]) =>
      typeof there === "string" ? there : (there.name ?? name),
    );
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice === undefined) continue;
    faults.push({ path: [...at, side], message: `expected each name there once, got ${JSON.stringify(twice)} twice` });
  }
  for (const [name, there] of Object.entries(target.inputs ?? {})) {
    if (typeof there === "string" || (there.datatype === undefined) === (there.there === undefined)) continue;
    const [missing, given] = there.datatype === undefined ? ["datatype", "there"] : ["there", "datatype"];
    const message = `expected datatype (what clients send) and there (what the backend takes), got ${given} without ${missing}`;
    faults.push({ path: [...at, "inputs", name], message });
  }
  for (const side of ["inputs", "outputs"] as const) {
    for (const name of castsOfBytes(target[side] ?? {})) {
      faults.push({ path: [...at, side, name], message: "expected a cast between numbers, got one of BYTES" });
    }
  }
  for (const [name, words] of Object.entries(target.fixed ?? {})) {
    try {
      fixedTensor({ name, ...words });
    } catch (error) {
      faults.push({ path: [...at, "fixed", name, "data"], message: (error as Error).message });
    }
  }
  return faults;
}

function castsOfBytes(tensors: NonNullable<TargetWords["inputs"]>): readonly string[] {
  return Object.entries(tensors).flatMap(([name, there]) => {
    if (typeof there === "string") return [];
    return [there.datatype, there.there].includes("BYTES") ? [name] : [];
  });
}

function checkLabels(at: Path, { labels, versions }: ModelWords): readonly Fault[] {
  if (versions === undefined) return [];
  const known = Object.keys(versions);
  return Object.entries(labels ?? {}).flatMap(([label, version]): readonly Fault[] => {
    if (known.includes(label)) {
      const message = `expected a label that is no version, got ${JSON.stringify(label)}, which is both`;
      return [{ path: [...at, "labels", label], message, at: "key" }];
    }
    if (known.includes(version)) return [];
    const message = `expected one of the model's versions (${known.join(", ")}), got ${JSON.stringify(version)}`;
    return [{ path: [...at, "labels", label], message }];
  });
}

function checkLimits({ listen, limits }: Document): readonly Fault[] {
  const { inFlight } = limits;
  if ("fraction" in inFlight) return [];
  const words = listen.grpc === undefined ? (["body"] as const) : (["body", "message"] as const);
  const tooLarge = words.find((word) => limits[word] > inFlight.bytes);
  if (tooLarge === undefined) return [];
  const least = formatBytes(limits[tooLarge]);
  const message = `expected at least limits.${tooLarge} (${least}), or no ${tooLarge} of that size could ever enter, got ${formatBytes(inFlight.bytes)}`;
  return [{ path: ["limits", "inFlight"], message }];
}

/** What is worth saying about a config that is right. */
export function warningsOf({ backends, models }: Document): readonly string[] {
  if (models === undefined) return [];
  const used = new Set(
    Object.values(models).flatMap(({ backend, versions }) => [
      ...(backend === undefined ? [] : [backend]),
      ...Object.values(versions ?? {}).flatMap((target) => targetsOf(target).map((each) => each.backend)),
    ]),
  );
  return Object.keys(backends)
    .filter((name) => !used.has(name))
    .map((name) => `backends.${name}: no model uses it`);
}

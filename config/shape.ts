// The first pass over a config: every word is known and its value has the right shape.

import type { z } from "zod";
import { wordKinds } from "../core/policy.ts";
import type { BackendConfig, Kinds } from "./config.ts";
import { describeIssue, faultsOf } from "./issues.ts";
import { knownWords } from "./known-words.ts";
import { isMap } from "./map.ts";
import { didYouMean, type Fault, type Path } from "./mistakes.ts";
import { type Document, documentOf } from "./schema.ts";
import { sourceText } from "./source.ts";

/** What the shape pass found. */
export interface Shaped {
  readonly faults: readonly Fault[];
  /** The words of the config; where some are wrong, the others with defaults for those; absent where little is right. */
  readonly document: Document | undefined;
  /** The backends whose options are right. */
  readonly backends: readonly BackendConfig[];
}

/** Reads the words of a config as YAML gives it. */
export function shape(config: unknown, kinds: Kinds): Shaped {
  if (!isMap(config)) {
    const got = config === null || config === undefined ? "nothing" : Array.isArray(config) ? "a list" : "text";
    return {
      faults: [{ path: [], message: `expected a map of words, got ${got}` }],
      document: undefined,
      backends: [],
    };
  }
  const document = documentOf(kinds.policies);
  const parsed = document.safeParse(config, { error: describeIssue });
  const wrong = parsed.success ? [] : faultsOf(parsed.error, [], (path) => knownWords(document, path));
  const backends = readBackends(config.backends, kinds);
  return {
    faults: [...wrong, ...backends.faults],
    document: parsed.success ? parsed.data : readRest(document, config, parsed.error),
    backends: backends.backends,
  };
}

// Each round takes out what is wrong, or what holds it where that is missing; three are more than the language is deep in required words.
const ROUNDS = 3;

// What is right about a config in which something is wrong, so that its sense is checked as well.
function readRest(document: z.ZodType<Document>, config: unknown, error: z.ZodError): Document | undefined {
  let rest = config;
  let issues = error.issues;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const issue of issues) {
      const path = issue.path.map(String);
      const wrong = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
      for (const each of wrong) rest = without(rest, each);
    }
    const parsed = document.safeParse(rest);
    if (parsed.success) return parsed.data;
    issues = parsed.error.issues;
  }
  return undefined;
}

// The value without what stands at the path; without its holder where nothing stands there.
function without(value: unknown, path: readonly string[]): unknown {
  const [step, ...deeper] = path;
  if (step === undefined || !isMap(value)) return undefined;
  // where the holder is not there, another fault of its has taken it out already
  if (!Object.hasOwn(value, step)) return deeper.length > 0 ? value : undefined;
  const kept = deeper.length > 0 ? without(value[step], deeper) : undefined;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (key !== step) return [[key, inner] as const];
      return kept === undefined ? [] : [[key, kept] as const];
    }),
  );
}

function readBackends(value: unknown, kinds: Kinds): Pick<Shaped, "faults" | "backends"> {
  const faults: Fault[] = [];
  const backends: BackendConfig[] = [];
  if (!isMap(value)) return { faults, backends };
  if (Object.keys(value).length === 0) {
    faults.push({ path: ["backends"], message: "expected at least one backend, got none" });
  }
  for (const [name, entry] of Object.entries(value)) {
    // what is no map with a kind in text has been said by the document's own schema
    if (!isMap(entry) || typeof entry.kind !== "string") continue;
    const { kind: word, ...options } = entry;
    const kind = kinds.backends.find((known) => known.kind === word);
    if (kind === undefined) {
      faults.push({ path: ["backends", name, "kind"], message: unknownKind(word as string, kinds) });
      continue;
    }
    const { own, shared } = splitWords(options, kinds);
    const policies = readPolicies(shared, ["backends", name], kinds);
    faults.push(...policies.faults);
    const parsed = kind.options.safeParse(own, { error: describeIssue });
    const source = { options: sourceText(own), policies: sourceText(shared) };
    if (parsed.success) backends.push({ name, kind, options: parsed.data, policies: policies.read, source });
    else {
      const known = (path: Path) => [
        ...knownWords(kind.options, path.slice(2)),
        ...(path.length === 2 ? sharedWords(kinds) : []),
      ];
      faults.push(...faultsOf(parsed.error, ["backends", name], known));
    }
  }
  return { faults, backends };
}

/** The words of policies that may stand under a backend. */
export function sharedWords(kinds: Pick<Kinds, "policies">): readonly string[] {
  return kinds.policies.filter((kind) => kind.underBackend === true).map(({ word }) => word);
}

function splitWords(options: Readonly<Record<string, unknown>>, kinds: Kinds) {
  const words = sharedWords(kinds);
  const entries = Object.entries(options);
  return {
    own: Object.fromEntries(entries.filter(([word]) => !words.includes(word))),
    shared: entries.filter(([word]) => words.includes(word)),
  };
}

function readPolicies(words: readonly (readonly [string, unknown])[], at: Path, kinds: Kinds) {
  const faults: Fault[] = [];
  const read = new Map<string, unknown>();
  for (const [word, value] of words) {
    const kind = wordKinds(kinds.policies).find((policy) => policy.word === word);
    const parsed = kind?.options.safeParse(value, { error: describeIssue });
    if (kind === undefined || parsed === undefined) continue;
    if (parsed.success) read.set(word, parsed.data);
    else {
      const known = (path: Path) => knownWords(kind.options, path.slice(at.length + 1));
      faults.push(...faultsOf(parsed.error, [...at, word], known));
    }
  }
  return { faults, read };
}

function unknownKind(word: string, kinds: Kinds): string {
  const known = kinds.backends.map(({ kind }) => kind);
  return `expected a kind of backend (${known.join(", ")}), got ${JSON.stringify(word)}${didYouMean(word, known)}`;
}

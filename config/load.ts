// The one door of YAML: reads a config's text, finds all its mistakes with their places, or gives the typed config.

import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Scalar,
  type Document as YamlDocument,
} from "yaml";
import type { Override } from "../core/change.ts";
import { checkNames, checkSense, warningsOf } from "./check.ts";
import { checkCaches } from "./check-cache.ts";
import { checkLimitWords } from "./check-limit.ts";
import { completeConfig } from "./complete.ts";
import type { Config, Kinds } from "./config.ts";
import { type Fault, formatPath, type Mistake, type Path } from "./mistakes.ts";
import { applyOverrides } from "./overrides.ts";
import { hasReference, substitute, type Variables } from "./references.ts";
import { shape } from "./shape.ts";

/** A config's text and what it may refer to. */
export interface Source {
  readonly text: string;
  /** The file it came from: named in messages; relative paths in the config start from its folder. */
  readonly file: string;
  readonly env: Variables;
  /** Values in place of those of the text. */
  readonly overrides?: readonly Override[];
}

export type Loaded =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly warnings: readonly string[];
      /** The overrides that hold. */
      readonly overrides: readonly Override[];
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

// How often aliases may multiply nodes: more is a billion-laughs file.
const MAX_ALIASES = 100;
const MAX_SYNTAX_MISTAKES = 5;
const TWICE = "expected each key once, got it twice";
const TOO_DEEP = "expected YAML that nests less deeply";

/** The config that the text says, frozen, or every mistake in it in the order of its lines. Never throws. */
export function loadConfig(source: Source, kinds: Kinds): Loaded {
  const text = openText(source.text);
  if (!text.ok) return text;
  const { faults: inText, value: written } = readValue(text.document, source.env);
  if (written === undefined) return refuse(inText, text.place);
  const value = applyOverrides(written.config, source.overrides ?? []);
  const shaped = shape(value.config, kinds);
  const earlier = [...inText, ...shaped.faults, ...checkNames(value.config)];
  const { document } = shaped;
  const sense =
    document === undefined
      ? []
      : [
          ...checkSense(document, value.config, kinds.policies),
          ...checkCaches(document, value.config, kinds.backends),
          ...checkLimitWords(document, value.config),
        ];
  const faults = [
    ...echoless(earlier, inText),
    ...sense.filter(({ path }) => !earlier.some((fault) => within(fault, path))),
  ];
  if (faults.length > 0 || shaped.document === undefined) return refuse(faults, text.place);
  const warnings = [
    ...text.document.warnings.map(({ message }) => lowerFirst(message)),
    ...warningsOf(shaped.document),
    ...value.warnings,
  ];
  const complete = { ...shaped, document: shaped.document, words: value.config };
  return { ok: true, config: completeConfig(complete, kinds, source.file), warnings, overrides: value.overrides };
}

// Without what is said of a value whose reference failed: it was not read.
function echoless(faults: readonly Fault[], inText: readonly Fault[]): readonly Fault[] {
  return faults.filter((fault) => inText.includes(fault) || !inText.some(({ path }) => within(fault, path)));
}

// Whether the fault stands at the path or below it.
function within(fault: Fault, path: Path): boolean {
  return path.every((step, i) => fault.path[i] === step);
}

function refuse(faults: readonly Fault[], place: Place): Loaded {
  const mistakes = faults.map(place);
  return {
    ok: false,
    mistakes: mistakes.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  };
}

/**
 * The plain value of a YAML text without references, for other files in YAML that stand near a config.
 *
 * @throws Error naming the line and what was expected there
 */
export function parseYaml(text: string): unknown {
  const opened = openText(text);
  if (!opened.ok) throw yamlError(opened.mistakes);
  const { faults, value } = readValue(opened.document, undefined);
  if (value === undefined || faults.length > 0) throw yamlError(faults.map(opened.place));
  return value.config;
}

function yamlError(mistakes: readonly Mistake[]): Error {
  const { path = "", line = 1, message = "no YAML" } = mistakes[0] ?? {};
  return new Error(`line ${line}: ${path === "" ? "" : `${path}: `}${message}`);
}

/** Where a fault stands in the text. */
type Place = (fault: Fault) => Mistake;

type Opened =
  | { readonly ok: true; readonly document: YamlDocument.Parsed; readonly place: Place }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

function openText(text: string): Opened {
  const lines = new LineCounter();
  // stringKeys: a version 1 and a version "1" are one key, told apart from none; duplicates are found below, with their path
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, stringKeys: true } as const;
  try {
    const document = parseDocument(text, options);
    const mistakes = syntaxMistakes(document, lines);
    if (mistakes.length > 0) return { ok: false, mistakes };
    return { ok: true, document, place: (fault) => locate(document, lines, fault) };
  } catch (error) {
    return { ok: false, mistakes: [{ path: "", line: undefined, column: undefined, message: tooMuch(error) }] };
  }
}

// One mistake a line, and few: what follows a syntax error is mostly its echo.
function syntaxMistakes(document: YamlDocument.Parsed, lines: LineCounter): readonly Mistake[] {
  const mistakes = new Map<number, Mistake>();
  for (const { code, message, pos } of document.errors) {
    const { line, col } = lines.linePos(pos[0]);
    if (mistakes.size === MAX_SYNTAX_MISTAKES || mistakes.has(line)) continue;
    mistakes.set(line, { path: "", line, column: col, message: syntaxMessage(code, message) });
  }
  return [...mistakes.values()];
}

function syntaxMessage(code: string, message: string): string {
  if (code === "MULTIPLE_DOCS") return "expected one YAML document, got another one after ---";
  if (/call stack/i.test(message)) return TOO_DEEP;
  if (/flow-map-start at node end/.test(message)) {
    return "expected YAML, got a { inside a plain value: inside { } and [ ] a reference to the environment stands in quotes";
  }
  return `expected YAML: ${lowerFirst(message)}`;
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

// What the library throws for a text that is YAML but more than it will hold.
function tooMuch(error: unknown): string {
  if (error instanceof RangeError) return TOO_DEEP;
  return `expected YAML: ${lowerFirst(error instanceof Error ? error.message : String(error))}`;
}

// The document's value with its references replaced; no value when it cannot be had at all.
function readValue(
  document: YamlDocument.Parsed,
  env: Variables | undefined,
): { readonly faults: readonly Fault[]; readonly value: { readonly config: unknown } | undefined } {
  const faults: Fault[] = [];
  try {
    visitNode(document.contents, [], { document, env, faults });
    return { faults, value: { config: document.toJS({ maxAliasCount: MAX_ALIASES }) } };
  } catch (error) {
    faults.push({ path: [], message: tooMuch(error) });
    return { faults, value: undefined };
  }
}

interface Visit {
  readonly document: YamlDocument.Parsed;
  readonly env: Variables | undefined;
  readonly faults: Fault[];
}

function visitNode(node: unknown, path: Path, visit: Visit): void {
  if (isScalar(node)) visitScalar(node, path, visit);
  if (isSeq(node)) for (const [i, item] of node.items.entries()) visitNode(item, [...path, i], visit);
  if (!isMap(node)) return;
  const seen = new Set<string>();
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : String(key);
    const inner = [...path, name];
    if (seen.has(name)) visit.faults.push({ path: inner, message: TWICE, at: "key" });
    if (name === "__proto__") visit.faults.push({ path: inner, message: "this key cannot be used", at: "key" });
    if (visit.env !== undefined && hasReference(name)) {
      visit.faults.push({ path: inner, message: "expected a plain key: references stand in values only", at: "key" });
    }
    seen.add(name);
    visitNode(value, inner, visit);
  }
}

function visitScalar(node: Scalar, path: Path, visit: Visit): void {
  if (visit.env === undefined || typeof node.value !== "string" || !hasReference(node.value)) return;
  const replaced = substitute(node.value, visit.env);
  if (!replaced.ok) {
    for (const message of replaced.messages) visit.faults.push({ path, message });
    return;
  }
  node.value = node.type === "PLAIN" ? readPlain(replaced.text, visit.document) : replaced.text;
}

// The scalar that the text would have been had it stood in the file unquoted: a port becomes a number. Never a map or a list.
function readPlain(text: string, document: YamlDocument.Parsed): unknown {
  for (const tag of document.schema.tags) {
    if (!("test" in tag) || tag.default !== true || tag.test === undefined || !tag.test.test(text)) continue;
    const value = tag.resolve(text, () => {}, document.options);
    return isScalar(value) ? value.value : value;
  }
  return text;
}

// A value on one line is pointed at itself, a map or a list below its key at the key.
function locate(document: YamlDocument.Parsed, lines: LineCounter, fault: Fault): Mistake {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const [i, step] of fault.path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const last = i === fault.path.length - 1;
    if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = isNode(node) ? node.range?.[0] : offset;
      continue;
    }
    // the last of several: the earlier ones are right where the key alone is given twice
    const pair = isMap(node)
      ? node.items.findLast(({ key }) => (isScalar(key) ? String(key.value) : "") === step)
      : undefined;
    if (pair === undefined) break;
    const key = isNode(pair.key) ? pair.key.range?.[0] : undefined;
    node = pair.value;
    const value = isScalar(node) || isAlias(node) ? node.range?.[0] : undefined;
    offset = last && fault.at !== "key" && value !== undefined ? value : (key ?? offset);
  }
  const at = offset === undefined ? undefined : lines.linePos(offset);
  return { path: formatPath(fault.path), line: at?.line, column: at?.col, message: fault.message };
}

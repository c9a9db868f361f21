// Judges a folder of sources by the architecture's table and says what breaks it, one line a finding.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import type { Table } from "./architecture-table.ts";
import { type ImportFact, readSource, type SourceFacts } from "./imports.ts";

const SKIPPED: ReadonlySet<string> = new Set([
  "node_modules",
  "dist",
  "coverage",
  "models",
  "docs",
  "deploy",
  "fixtures",
]);
const MAX_LINES = 300;
/** How a file beyond the limit argues: a comment in its first lines. */
const ARGUES = /^(?:.*\n){0,9}\/\/ Over 300 lines because \S/;

interface Tree {
  readonly root: string;
  readonly table: Table;
  /** By path from the root, with slashes. */
  readonly sources: ReadonlyMap<string, SourceFacts>;
  readonly manifest: Manifest;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** One import between two files of the tree. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly line: number;
}

/**
 * What breaks the table, sorted, each as `rule: path:line what`. Type-only imports count: they couple just as well.
 *
 * @param root the folder that holds package.json and the layers
 */
export function judge(root: string, table: Table): readonly string[] {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const tree: Tree = { root, table, sources: readTree(root), manifest };
  const edges: Edge[] = [];
  const findings = [...dependencyFindings(tree)];
  for (const [path, source] of tree.sources) {
    for (const fact of source.imports) findings.push(...importFindings(tree, path, fact));
    edges.push(...source.imports.flatMap((fact) => edgeOf(tree, path, fact) ?? []));
    findings.push(...fileFindings(tree, path, source));
  }
  return [...findings, ...cycleFindings(edges)].sort();
}

/** What the judgement read, so that a test can tell a clean tree from an empty one: paths, and `path specifier`. */
export function census(root: string): { readonly files: readonly string[]; readonly imports: readonly string[] } {
  const tree = [...readTree(root)];
  const imports = tree.flatMap(([path, source]) => source.imports.map((fact) => `${path} ${fact.specifier}`));
  return { files: tree.map(([path]) => path), imports };
}

function readTree(root: string): ReadonlyMap<string, SourceFacts> {
  const found = new Map<string, SourceFacts>();
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name) && !entry.name.startsWith(".")) walk(path);
      if (entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name)) {
        found.set(path, readSource(path, readFileSync(join(root, path), "utf8")));
      }
    }
  };
  walk("");
  return found;
}

function isOutside(table: Table, path: string): boolean {
  return table.outside.some((name) => path === name || path.startsWith(`${name}/`));
}

function layerOf(table: Table, path: string): string | undefined {
  const fitting = Object.keys(table.layers).filter((layer) => path.startsWith(`${layer}/`));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

function isDoor(doors: readonly string[], path: string): boolean {
  return doors.some((door) => (door.endsWith("/") ? path.startsWith(door) : path === door));
}

function isLocal(specifier: string): boolean {
  return specifier.startsWith(".");
}

/** The file of the tree that an import names; a compiled file stands for its source. */
function targetOf(from: string, specifier: string): string {
  const path = posix.join(posix.dirname(from), specifier);
  return path.startsWith("dist/") ? path.slice("dist/".length).replace(/\.js$/, ".ts") : path;
}

function edgeOf(tree: Tree, from: string, fact: ImportFact): Edge | undefined {
  if (fact.specifier === undefined || !isLocal(fact.specifier)) return undefined;
  const to = targetOf(from, fact.specifier);
  return tree.sources.has(to) ? { from, to, line: fact.line } : undefined;
}

function importFindings(tree: Tree, path: string, fact: ImportFact): readonly string[] {
  const at = `${path}:${fact.line}`;
  const outside = isOutside(tree.table, path);
  if (fact.specifier === undefined) return outside ? [] : [`computed import: ${at} hides what it imports`];
  if (!isLocal(fact.specifier)) return libraryFindings(tree, path, { ...fact, specifier: fact.specifier });
  const to = targetOf(path, fact.specifier);
  if (!tree.sources.has(to) && !existsSync(join(tree.root, to)))
    return [`missing: ${at} imports ${to}, which is not there`];
  if (outside) return [];
  const from = layerOf(tree.table, path);
  const target = layerOf(tree.table, to);
  if (from === undefined || from === target) return [];
  if (target !== undefined && tree.table.layers[from]?.includes(target)) return [];
  return [`arrow: ${at} ${from} may not import ${target ?? "what lies outside the layers"} (${to})`];
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function libraryFindings(
  tree: Tree,
  path: string,
  fact: { readonly specifier: string; readonly line: number },
): readonly string[] {
  const { table } = tree;
  const at = `${path}:${fact.line}`;
  const builtin = isBuiltin(fact.specifier);
  const name = builtin ? `node:${fact.specifier.replace(/^node:/, "")}` : packageOf(fact.specifier);
  const findings: string[] = [];
  const outside = isOutside(table, path);
  if (!builtin) findings.push(...undeclared(tree, { at, name, outside }));
  if (outside) return findings;
  const layer = layerOf(table, path);
  const pure = layer === undefined ? undefined : table.pure[layer];
  if (builtin && pure !== undefined && !pure.includes(name))
    findings.push(`I/O: ${at} ${layer} may not import ${name}`);
  const doors = table.doors[name];
  if (doors === undefined && !builtin && !table.everywhere.includes(name)) {
    findings.push(`door: ${at} imports ${name}, which has no door in the table`);
  }
  if (doors !== undefined && !isDoor(doors, path)) {
    findings.push(`door: ${at} imports ${name}, whose door is ${doors.join(", ") || "nowhere"}`);
  }
  return findings;
}

function undeclared(
  tree: Tree,
  use: { readonly at: string; readonly name: string; readonly outside: boolean },
): readonly string[] {
  const { dependencies = {}, devDependencies = {} } = tree.manifest;
  if (use.name in dependencies || (use.outside && use.name in devDependencies)) return [];
  return [
    `undeclared: ${use.at} imports ${use.name}, which is not in ${use.outside ? "package.json" : "dependencies"}`,
  ];
}

function dependencyFindings(tree: Tree): readonly string[] {
  const { dependencies = {}, devDependencies = {} } = tree.manifest;
  const used = { inside: new Set<string>(), anywhere: new Set<string>() };
  for (const [path, source] of tree.sources) {
    for (const { specifier } of source.imports) {
      if (specifier === undefined) continue;
      used.anywhere.add(packageOf(specifier));
      if (!isOutside(tree.table, path)) used.inside.add(packageOf(specifier));
    }
  }
  const idle = (names: object, by: ReadonlySet<string>) =>
    Object.keys(names).filter((name) => !by.has(name) && !tree.table.notImported.includes(name));
  return [
    ...idle(dependencies, used.inside).map(
      (name) => `unused: package.json dependencies has ${name}, which no layer imports`,
    ),
    ...idle(devDependencies, used.anywhere).map(
      (name) => `unused: package.json devDependencies has ${name}, which nobody imports`,
    ),
  ];
}

function fileFindings(tree: Tree, path: string, source: SourceFacts): readonly string[] {
  const { table } = tree;
  const findings: string[] = [];
  if (source.fault !== undefined) findings.push(`syntax: ${path}:1 ${source.fault}`);
  if (source.lines > MAX_LINES && !ARGUES.test(source.text)) {
    findings.push(`size: ${path}:1 has ${source.lines} lines, over ${MAX_LINES}, and does not argue why`);
  }
  if (isOutside(table, path)) return findings;
  if (!/^(?:#!.*\n)?(?:\/\/ |\/\*\*)/.test(source.text)) {
    findings.push(`opening: ${path}:1 does not open with a sentence on what it is`);
  }
  if (layerOf(table, path) === undefined) findings.push(`place: ${path}:1 is in no layer of the table`);
  for (const line of source.defaultExports) findings.push(`default export: ${path}:${line}`);
  for (const line of table.programs.includes(path) ? [] : source.moduleState)
    findings.push(`module state: ${path}:${line} can be assigned again at module level`);
  for (const line of source.innerGenerators)
    findings.push(`inner generator: ${path}:${line} is made anew at each call: see core/chain.ts`);
  for (const { name, line } of source.globals) {
    const doors = table.world[name] ?? table.world[name.split(".")[0] ?? ""];
    if (doors === undefined || isDoor(doors, path)) continue;
    findings.push(`world: ${path}:${line} uses ${name}, whose door is ${doors.join(", ")}`);
  }
  return findings;
}

/** Each group of files that import one another in a circle, said once: the shortest circle through its first file. */
function cycleFindings(edges: readonly Edge[]): readonly string[] {
  const next = new Map<string, readonly string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to].sort());
  const told = new Set<string>();
  const findings: string[] = [];
  for (const start of [...next.keys()].sort()) {
    if (told.has(start)) continue;
    const circle = shortestCircle(start, next);
    if (circle === undefined) continue;
    for (const path of circle) told.add(path);
    findings.push(`cycle: ${circle.join(" -> ")}`);
  }
  return findings;
}

function shortestCircle(start: string, next: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const to of next.get(at) ?? []) {
      if (to === start) return [...wayTo(start, at, cameFrom), start];
      if (cameFrom.has(to)) continue;
      cameFrom.set(to, at);
      queue.push(to);
    }
  }
  return undefined;
}

function wayTo(start: string, end: string, cameFrom: ReadonlyMap<string, string>): readonly string[] {
  const way = [end];
  for (let at = end; at !== start; ) {
    at = cameFrom.get(at) ?? start;
    way.unshift(at);
  }
  return way;
}

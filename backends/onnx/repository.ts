// What lies in the model repository: models, their versions and settings, as the file system has them now.

import type { Dirent } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { compareVersions } from "../../core/model.ts";
import type { Declared } from "./declared.ts";
import { type ModelSettings, NO_SETTINGS, readModelSettings } from "./options.ts";
import { readTritonConfig } from "./triton-config.ts";

/** A version's file, not looked into yet. */
export interface FoundVersion {
  readonly version: string;
  /** The model file. It may not exist yet. */
  readonly path: string;
}

export interface FoundModel {
  readonly name: string;
  /** Where warm-up files lie. */
  readonly folder: string;
  /** From old to new. */
  readonly versions: readonly FoundVersion[];
  readonly settings: ModelSettings;
  /** What its config.pbtxt says, where it has one. */
  readonly declared?: Declared;
  /** What is wrong with its config.yaml or config.pbtxt; it is then as if there were none. */
  readonly mistake: string | undefined;
}

export interface Found {
  readonly models: readonly FoundModel[];
  /** What cannot be served, in words for the log. */
  readonly refused: readonly string[];
}

export interface ScanOptions {
  /** The repository's real path. */
  readonly root: string;
  readonly parseYaml: (text: string) => unknown;
}

/** A version's folder, as Triton has it: a number above 0 without leading zeros. */
const VERSION = /^[1-9]\d{0,17}$/;
const MODEL_FILE = "model.onnx";
const FLAT = ".onnx";
const MAX_SETTINGS_BYTES = 1024 * 1024;

/** Lists the repository, two levels deep. @throws Error when the root cannot be read */
export async function scanRepository(options: ScanOptions): Promise<Found> {
  const refused: string[] = [];
  const models: FoundModel[] = [];
  const entries = await readdir(options.root, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const folders = new Set<string>();
  for (const entry of entries) {
    if (!isCandidate(entry)) continue;
    if (!isName(entry.name)) {
      refused.push(`${JSON.stringify(entry.name)} is no name for a model`);
      continue;
    }
    const path = join(options.root, entry.name);
    if (!(await leadsInside(path, options.root))) refused.push(`${entry.name} leads out of the repository`);
    else if (await isFolder(path)) {
      const model = await readModel(entry.name, path, options);
      if (model === undefined) continue;
      folders.add(entry.name);
      models.push(model);
    } else if (entry.name.endsWith(FLAT) && entry.name.length > FLAT.length) {
      const name = entry.name.slice(0, -FLAT.length);
      const versions = [{ version: "1", path }];
      models.push({ name, folder: options.root, versions, settings: NO_SETTINGS, mistake: undefined });
    }
  }
  const twice = models.filter((model) => folders.has(model.name) && model.folder === options.root);
  for (const { name } of twice) refused.push(`${name}${FLAT} stands beside the folder ${name}, which is served`);
  return { models: models.filter((model) => !twice.includes(model)), refused };
}

/** Whether a path, with its links resolved, lies in the repository. One that does not exist does. */
export async function leadsInside(path: string, root: string): Promise<boolean> {
  try {
    const real = await realpath(path);
    return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

async function readModel(name: string, folder: string, options: ScanOptions): Promise<FoundModel | undefined> {
  const entries = await readdir(folder, { withFileTypes: true });
  const has = (file: string) => entries.some((entry) => entry.name === file);
  const numbers = entries
    .filter((entry) => VERSION.test(entry.name) && (entry.isDirectory() || entry.isSymbolicLink()))
    .map((entry) => entry.name)
    .sort(compareVersions);
  if (numbers.length === 0) return undefined;
  const found = (file: string) => ({
    name,
    folder,
    versions: numbers.map((version) => ({ version, path: join(folder, version, file) })),
  });
  let reading = "config.pbtxt";
  try {
    const declared = has(reading) ? await readDeclared({ name, folder, root: options.root }) : undefined;
    reading = "config.yaml";
    const own = has(reading)
      ? readModelSettings(options.parseYaml(await readSmall(folder, reading, options.root)))
      : NO_SETTINGS;
    return {
      ...found(declared?.config.fileName ?? MODEL_FILE),
      settings: { ...declared?.config.settings, ...own },
      mistake: undefined,
      ...(declared === undefined ? {} : { declared }),
    };
  } catch (error) {
    const mistake = `${reading}: ${error instanceof Error ? error.message : String(error)}`;
    return { ...found(MODEL_FILE), settings: NO_SETTINGS, mistake };
  }
}

/** Triton's config, with the names of classes that lie beside it, a line each. */
async function readDeclared({
  name,
  folder,
  root,
}: {
  readonly name: string;
  readonly folder: string;
  readonly root: string;
}): Promise<Declared> {
  const config = readTritonConfig(await readSmall(folder, "config.pbtxt", root), name);
  const labels = new Map<string, readonly string[]>();
  for (const { name: output, labels: file } of config.outputs) {
    if (file === undefined || file === "") continue;
    const lines = (await readSmall(folder, file, root)).split(/\r?\n/);
    if (lines.at(-1) === "") lines.pop();
    labels.set(output, lines);
  }
  return { config, labels };
}

async function readSmall(folder: string, file: string, root: string): Promise<string> {
  const path = join(folder, file);
  if (!(await leadsInside(path, root))) throw new Error(`${file} leads out of the repository`);
  const { size } = await stat(path);
  if (size > MAX_SETTINGS_BYTES) throw new Error(`${file} has ${size} bytes, at most ${MAX_SETTINGS_BYTES} are read`);
  return readFile(path, "utf8");
}

function isCandidate(entry: Dirent): boolean {
  if (entry.name.startsWith(".")) return false;
  return entry.isDirectory() || entry.isSymbolicLink() || (entry.isFile() && entry.name.endsWith(FLAT));
}

// names stand in URLs, logs and metrics
function isName(name: string): boolean {
  return !/[\u0000-\u001f\u007f/\\]/.test(name) && name.isWellFormed();
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // a link to nowhere, or gone since it was listed
    return false;
  }
}

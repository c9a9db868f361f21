// Looks into a version's files before any worker does: whether they are whole, what they hold, how to tell a change.

import { stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve, sep } from "node:path";
import { asInferError, InferError } from "../../core/error.ts";
import { type GraphFacts, readGraph } from "./graph.ts";
import type { WeightsFile } from "./messages.ts";
import { leadsInside } from "./repository.ts";
import { checkGraph } from "./signature.ts";

export interface Inspected {
  /** Of all files of the version: another one means that something changed. */
  readonly fingerprint: string;
  /** The model file first, then those that hold weights. */
  readonly files: readonly string[];
  /** Those that hold weights, as the model names them. */
  readonly weights: readonly WeightsFile[];
  /** Of all files together. */
  readonly bytes: number;
  /** Why it cannot be loaded, or its graph. */
  readonly content:
    | { readonly ok: true; readonly graph: GraphFacts }
    | { readonly ok: false; readonly error: InferError };
}

/** Looks at the version's files; what is wrong with them is in the answer. */
export async function inspectVersion(path: string, root: string): Promise<Inspected> {
  const model = await look(path);
  if (model === undefined) return failed([`${path} missing`], unavailable("model.onnx is missing"));
  if (!(await leadsInside(path, root))) return failed([model.mark], unavailable("it leads out of the repository"));
  let graph: GraphFacts;
  try {
    graph = await readGraph(path);
    checkGraph(graph);
  } catch (error) {
    return failed([model.mark], error instanceof InferError ? error : unavailable((error as Error).message));
  }
  const needed = new Map<string, number>();
  for (const { location, endsAt } of graph.external) needed.set(location, Math.max(endsAt, needed.get(location) ?? 0));
  const marks = [model.mark];
  const files = [path];
  const weights: WeightsFile[] = [];
  let bytes = model.size;
  let wrong: InferError | undefined;
  for (const [location, endsAt] of needed) {
    const beside = await lookBeside({ path, location, root });
    marks.push(beside.mark);
    bytes += beside.size;
    files.push(beside.path);
    weights.push({ location, path: beside.path });
    if (beside.wrong !== undefined) wrong ??= unavailable(beside.wrong);
    else if (beside.size < endsAt) {
      wrong ??= unavailable(`external data "${location}": ${endsAt} bytes are needed, it has ${beside.size}`);
    }
  }
  const content = wrong === undefined ? { ok: true as const, graph } : { ok: false as const, error: wrong };
  return { fingerprint: marks.join("\n"), files, weights, bytes, content };
}

/** Whether the files are still those that were inspected. */
export async function isUnchanged(inspected: Inspected): Promise<boolean> {
  const marks = await Promise.all(inspected.files.map(async (file) => (await look(file))?.mark ?? `${file} missing`));
  return marks.join("\n") === inspected.fingerprint;
}

interface Look {
  readonly size: number;
  readonly mark: string;
}

async function look(path: string): Promise<Look | undefined> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return { size, mark: `${path} ${size} ${mtimeMs} ${ino}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw asInferError(error);
  }
}

async function lookBeside(where: { readonly path: string; readonly location: string; readonly root: string }) {
  const path = resolve(dirname(where.path), where.location);
  const none = { path, size: 0, mark: `${path} missing` };
  const name = `external data "${where.location}"`;
  if (isAbsolute(where.location) || where.location.includes("\0") || !path.startsWith(dirname(where.path) + sep)) {
    return { ...none, path: where.path, wrong: `${name} leads out of the model's folder` };
  }
  const found = await look(path);
  if (found === undefined) return { ...none, wrong: `${name} is missing` };
  if (!(await leadsInside(path, where.root))) return { ...none, wrong: `${name} leads out of the repository` };
  return { ...found, path, wrong: undefined };
}

function failed(marks: readonly string[], error: InferError): Inspected {
  return { fingerprint: marks.join("\n"), files: [], weights: [], bytes: 0, content: { ok: false, error } };
}

function unavailable(reason: string): InferError {
  return new InferError("unavailable", reason);
}

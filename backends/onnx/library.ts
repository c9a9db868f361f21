// Keeps the shelf as the repository is: loads what appears, swaps what changes, lets go of what disappears.

import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { formatBytes } from "../../core/units.ts";
import { openArtifact } from "./artifact.ts";
import { type Inspected, inspectVersion, isUnchanged } from "./inspect.ts";
import type { Memory } from "./memory.ts";
import { type ModelSettings, type OnnxOptions, sessionOptionsOf, wantedVersions } from "./options.ts";
import type { Pool } from "./pool.ts";
import { type Found, type FoundModel, scanRepository } from "./repository.ts";
import type { Shelf, Version } from "./shelf.ts";
import { signatureOf } from "./signature.ts";
import { readWarmUp } from "./warm-up.ts";

export interface LibraryOptions {
  /** The repository's real path. */
  readonly root: string;
  readonly options: OnnxOptions;
  readonly workers: number;
  readonly shelf: Shelf;
  readonly pool: Pool;
  readonly memory: Memory;
  readonly parseYaml: (text: string) => unknown;
  readonly env: Env;
}

export interface Library {
  /** Looks at the repository soon: once for all changes of the next moment. */
  lookSoon(): void;
  /** Looks now, and takes what it finds for complete; loads go on after the answer. @throws Error when the root cannot be read */
  lookNow(): Promise<void>;
  /** Stops looking and loading; what is loaded stays. */
  close(): Promise<void>;
}

/** A file is complete when it was the same twice, this long apart. */
const REST_MS = 300;

/** A version as the repository has it now. */
interface Wanted {
  readonly model: FoundModel;
  readonly version: Version;
  readonly inspected: Inspected;
  /** Changes when the files or the settings that they are loaded with do. */
  readonly mark: string;
}

export function openLibrary(parts: LibraryOptions): Library {
  const { env, memory, options, pool, root, shelf } = parts;
  /** One after the other, so that memory is counted rightly and the workers load one thing at a time. */
  let loads: Promise<void> = Promise.resolve();
  let looking: Promise<void> = Promise.resolve();
  let stopTimer: (() => void) | undefined;
  let closed = false;
  let lastSession = 0;
  let said = "";

  async function look(rest: "trusted" | "proved"): Promise<void> {
    const found = await scanRepository({ root, parseYaml: parts.parseYaml });
    if (closed) return;
    complain(found);
    let unsettled = false;
    for (const model of found.models) {
      if (model.mistake === undefined) shelf.relabel(model.name, model.settings.labels ?? {});
      for (const wanted of await wantedOf(model)) {
        if (wanted.version.tried === wanted.mark) continue;
        const settled = rest === "trusted" || wanted.version.seen === wanted.mark;
        wanted.version.seen = wanted.mark;
        if (settled) startLoad(wanted);
        else unsettled = true;
      }
    }
    removeMissing(found);
    for (const model of found.models) void loads.then(() => sweep(model));
    if (unsettled) lookSoon();
  }

  function complain(found: Found): void {
    const mistakes = found.models.flatMap(({ name, mistake }) => (mistake === undefined ? [] : [`${name}/${mistake}`]));
    const words = [...found.refused, ...mistakes];
    if (words.join("\n") !== said && words.length > 0)
      env.log.error({ repository: root, words }, "the model repository has mistakes");
    said = words.join("\n");
  }

  async function wantedOf(model: FoundModel): Promise<readonly Wanted[]> {
    const numbers = wantedVersions(
      model.versions.map(({ version }) => version),
      model.settings,
    );
    const wanted: Wanted[] = [];
    for (const { version: number, path } of model.versions) {
      if (!numbers.includes(number)) continue;
      const known = shelf.get(model.name, number);
      // settings that cannot be read change nothing for what is loaded already
      if (model.mistake !== undefined && known?.current !== undefined) continue;
      const inspected = await inspectVersion(path, root);
      const version = known ?? shelf.add(model.name, number);
      wanted.push({ model, version, inspected, mark: markOf(model, inspected) });
    }
    return wanted;
  }

  function startLoad(wanted: Wanted): void {
    const { version, mark } = wanted;
    version.tried = mark;
    if (version.current === undefined) shelf.change(version, "loading", { error: undefined });
    loads = loads.then(async () => {
      // a newer look has found something else, or nothing
      if (closed || version.tried !== mark || shelf.get(version.model, version.version) !== version) return;
      try {
        await load(wanted);
      } catch (error) {
        failed(wanted, asInferError(error));
      }
    });
  }

  async function load(wanted: Wanted): Promise<void> {
    const { model, version, inspected } = wanted;
    if (model.mistake !== undefined) throw new InferError("unavailable", model.mistake);
    const { content, bytes, files } = inspected;
    if (!content.ok) throw content.error;
    const workers = workersOf(model.settings);
    const name = `${version.model} version ${version.version}`;
    const free = memory.reserve(name, { workers, bytes });
    lastSession += 1;
    const session = `${version.model}/${version.version}#${lastSession}`;
    try {
      const warmUp = await readWarmUp({ settings: model.settings, folder: model.folder, root });
      const target = { session, model: version.model };
      const began = env.clock.now();
      const [facts, hash] = await Promise.all([
        pool.load({
          session,
          path: files[0] ?? "",
          options: sessionOptionsOf(options, model.settings),
          workers,
          bytes,
          unchanged: () => isUnchanged(inspected),
          warmUp: (said) => warmUp.orders(signatureOf(said, content.graph), target),
          warmUpFailed(error) {
            const reason = asInferError(error).message;
            if (warmUp.declared) throw new InferError("unavailable", `warm-up: ${reason}`);
            env.log.warn(
              { model: name, reason },
              "a warm-up with made-up inputs failed; declare real ones in config.yaml",
            );
          },
        }),
        pool.hash(files),
      ]);
      const total = formatBytes(workers * bytes);
      const tookMs = Math.round(env.clock.now() - began);
      env.log.info({ model: name, memory: `${workers} x ${formatBytes(bytes)} = ${total}`, tookMs }, "model loaded");
      swap(version, { session, signature: signatureOf(facts, content.graph), hash, free });
    } catch (error) {
      free();
      throw error;
    }
  }

  function swap(version: Version, init: Parameters<typeof openArtifact>[0]): void {
    const before = version.current;
    shelf.change(version, "ready", { current: openArtifact(init), error: undefined });
    if (before !== undefined) void letGo(before);
  }

  function failed(wanted: Wanted, error: InferError): void {
    const { version } = wanted;
    const fields = { model: version.model, version: version.version, reason: error.message };
    if (version.current !== undefined) {
      env.log.error(fields, "a replacement could not be loaded; the version goes on as it was");
      return;
    }
    env.log.error(fields, "a model version could not be loaded");
    shelf.change(version, "unavailable", { error });
  }

  // what has no files is gone; what the policy does not want goes when all that it wants is there
  function removeMissing(found: Found): void {
    const models = new Map(found.models.map((model) => [model.name, model]));
    for (const name of shelf.models()) {
      const there = new Set(models.get(name)?.versions.map(({ version }) => version));
      for (const version of shelf.of(name)) if (!there.has(version.version)) remove(version);
    }
  }

  function sweep(model: FoundModel): void {
    if (closed || model.mistake !== undefined) return;
    const known = shelf.of(model.name);
    const numbers = wantedVersions(
      model.versions.map(({ version }) => version),
      model.settings,
    );
    const ready = known.filter((version) => version.current !== undefined).map(({ version }) => version);
    if (!numbers.every((number) => ready.includes(number))) return;
    for (const version of known) if (!numbers.includes(version.version)) remove(version);
  }

  function remove(version: Version): void {
    const { current } = version;
    if (version.state === "unloading") return;
    if (current === undefined) return shelf.remove(version);
    // new calls do not find it; those under way finish
    shelf.change(version, "unloading", { current: undefined });
    void letGo(current).then(() => {
      if (shelf.get(version.model, version.version) === version) shelf.remove(version);
    });
  }

  async function letGo(artifact: NonNullable<Version["current"]>): Promise<void> {
    await artifact.unused();
    await pool.unload(artifact.session);
    artifact.free();
  }

  function lookSoon(): void {
    if (closed || stopTimer !== undefined) return;
    stopTimer = env.clock.after(REST_MS, () => {
      stopTimer = undefined;
      looking = looking
        .then(() => (closed ? undefined : look("proved")))
        .catch((error) => env.log.error({ err: error, repository: root }, "the model repository cannot be read"));
    });
  }

  function workersOf(settings: ModelSettings): number {
    const { workers = parts.workers } = settings;
    if (workers <= parts.workers) return workers;
    throw new InferError(
      "unavailable",
      `config.yaml: workers: expected at most the backend's ${parts.workers}, got ${workers}`,
    );
  }

  return {
    lookSoon,
    lookNow() {
      const now = looking.then(() => look("trusted"));
      looking = now.catch(() => {});
      return now;
    },
    async close() {
      closed = true;
      stopTimer?.();
      await looking;
      await loads;
    },
  };
}

function markOf(model: FoundModel, inspected: Inspected): string {
  const { labels: _labels, versionPolicy: _policy, ...loadedWith } = model.settings;
  return JSON.stringify([inspected.fingerprint, loadedWith, model.mistake ?? null]);
}

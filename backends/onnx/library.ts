// Keeps the shelf as the repository is: loads what appears, swaps what changes, lets go of what disappears.

import { asInferError, InferError } from "../../core/error.ts";
import { type Inspected, inspectVersion, isUnchanged } from "./inspect.ts";
import { type Loadable, type LoaderParts, letGo, loadArtifact } from "./loader.ts";
import { wantedVersions } from "./options.ts";
import { type Found, type FoundModel, scanRepository } from "./repository.ts";
import type { Shelf, Version } from "./shelf.ts";

export interface LibraryParts extends LoaderParts {
  readonly shelf: Shelf;
  readonly parseYaml: (text: string) => unknown;
}

export interface Library {
  /** Looks at the repository soon: once for all changes of the next moment. */
  lookSoon(): void;
  /** Looks now, and takes what it finds for complete; loads go on after the answer. @throws Error when the root cannot be read */
  lookNow(): Promise<void>;
  /** Loads the model's files as they are now and has it served from here on. @throws InferError when it is not there, or a version cannot be loaded */
  load(model: string): Promise<void>;
  /** Lets go of all versions; they stay known, and unloaded, until they are loaded again. @throws InferError not-found */
  unload(model: string): void;
  /** Stops looking and loading; what is loaded stays. */
  close(): Promise<void>;
}

/** A file is complete when it was the same twice, this long apart. */
const REST_MS = 300;
/** A worker may be lost while it loads through no fault of the model: a run before it crashed. */
const LOAD_ATTEMPTS = 3;
const LOAD_PAUSE_MS = 200;

/** What is to be loaded for a version on the shelf. */
interface Wanted {
  readonly loadable: Loadable;
  readonly version: Version;
  /** Changes when the files or the settings that they are loaded with do. */
  readonly mark: string;
}

export function openLibrary(parts: LibraryParts): Library {
  const { env, pool, root, shelf } = parts;
  /** One after the other, so that memory is counted rightly and the workers load one thing at a time. */
  let loads: Promise<void> = Promise.resolve();
  let looking: Promise<void> = Promise.resolve();
  let stopTimer: (() => void) | undefined;
  let closed = false;
  let endPause = () => {};
  let lastSession = 0;
  let said = "";
  /** What was last seen in each version's files, so that a look at what has not changed reads nothing. */
  const inspections = new WeakMap<Version, Inspected>();
  /** Models that an operator has unloaded: what changes in their folders is nothing to them. */
  const unloaded = new Set<string>();

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
    const words = [...found.refused, ...mistakes].join("\n");
    if (words !== said && words !== "") {
      env.log.error({ repository: root, mistakes: words.split("\n") }, "the model repository has mistakes");
    }
    said = words;
  }

  async function wantedOf(model: FoundModel): Promise<readonly Wanted[]> {
    if (unloaded.has(model.name)) return [];
    const numbers = numbersOf(model);
    const wanted: Wanted[] = [];
    for (const { version: number, path } of model.versions) {
      if (!numbers.includes(number)) continue;
      const known = shelf.get(model.name, number);
      // settings that cannot be read change nothing for what is loaded already
      if (model.mistake !== undefined && known?.current !== undefined) continue;
      const version = known ?? shelf.add(model.name, number);
      const inspected = await inspect(version, path);
      wanted.push({ version, loadable: { model, version: number, inspected }, mark: markOf(model, inspected) });
    }
    return wanted;
  }

  async function inspect(version: Version, path: string): Promise<Inspected> {
    const before = inspections.get(version);
    if (before !== undefined && (await isUnchanged(before))) return before;
    const inspected = await inspectVersion(path, root);
    inspections.set(version, inspected);
    return inspected;
  }

  function startLoad(wanted: Wanted): void {
    const { version, mark } = wanted;
    version.tried = mark;
    if (version.current === undefined) shelf.change(version, "loading", { error: undefined });
    loads = loads.then(async () => {
      for (let attempt = 1; attempt <= LOAD_ATTEMPTS; attempt += 1) {
        // a newer look has found something else, or nothing
        if (closed || version.tried !== mark) return;
        const fault = await load(wanted);
        if (fault === undefined) return;
        if (fault.retryable !== "later" || attempt === LOAD_ATTEMPTS) {
          failed(wanted, fault);
          return;
        }
        await pause(LOAD_PAUSE_MS * attempt);
      }
    });
  }

  // cut short by close, which waits for the loads: the clock's timers keep no process alive
  function pause(ms: number): Promise<void> {
    if (closed) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = env.clock.after(ms, resolve);
      endPause = () => {
        stop();
        resolve();
      };
    });
  }

  async function load({ loadable, version, mark }: Wanted): Promise<InferError | undefined> {
    lastSession += 1;
    try {
      const artifact = await loadArtifact(loadable, `${version.model}/${version.version}#${lastSession}`, parts);
      // gone or changed meanwhile: a load of its own will follow, or none
      const before = version.tried === mark ? version.current : artifact;
      if (before !== artifact) shelf.change(version, "ready", { current: artifact, error: undefined });
      if (before !== undefined) void letGo(before, pool);
      return undefined;
    } catch (error) {
      return asInferError(error);
    }
  }

  function failed({ version, mark }: Wanted, error: InferError): void {
    if (version.tried !== mark || closed) return;
    const fields = { model: version.model, version: version.version, reason: error.message };
    if (version.current !== undefined) {
      env.log.error(fields, "a replacement could not be loaded; the version goes on as it was");
      return;
    }
    env.log.error(fields, "a model version could not be loaded");
    shelf.change(version, "unavailable", { error });
  }

  function removeMissing(found: Found): void {
    const models = new Map(found.models.map((model) => [model.name, model]));
    for (const name of shelf.models()) {
      const there = new Set(models.get(name)?.versions.map(({ version }) => version));
      for (const version of shelf.of(name)) if (!there.has(version.version)) remove(version);
    }
  }

  // What the policy no longer wants goes when all that it wants is ready: with `latest: 1`, a newest version that cannot be
  // loaded must not take the one before it down.
  function sweep(model: FoundModel): void {
    if (closed || model.mistake !== undefined) return;
    const numbers = numbersOf(model);
    const known = shelf.of(model.name);
    const isReady = (number: string) => shelf.get(model.name, number)?.current !== undefined;
    if (!numbers.every(isReady)) return;
    for (const version of known) if (!numbers.includes(version.version)) remove(version);
  }

  function remove(version: Version): void {
    takeDown(version, () => shelf.remove(version));
  }

  function takeDown(version: Version, down: () => void): void {
    const { current } = version;
    if (version.state === "unloading") return;
    // a load under way finds that it is not wanted; files that come back are looked at anew
    version.tried = "";
    version.seen = "";
    if (current === undefined) {
      down();
      return;
    }
    // new calls do not find it; those under way finish
    shelf.change(version, "unloading", { current: undefined });
    void letGo(current, pool).then(() => {
      if (version.state === "unloading") down();
    });
  }

  function unload(model: string): void {
    const versions = shelf.of(model);
    if (versions.length === 0) throw new InferError("not-found", `failed to unload '${model}', it is not known`);
    unloaded.add(model);
    const error = new InferError("unavailable", "unloaded");
    for (const version of versions) takeDown(version, () => shelf.change(version, "unavailable", { error }));
  }

  async function loadModel(model: string): Promise<void> {
    unloaded.delete(model);
    // what failed may have been mended, and is tried again even when it was not
    for (const version of shelf.of(model)) if (version.current === undefined) version.tried = "";
    await lookNow();
    await loads;
    const versions = shelf.of(model);
    if (versions.length === 0)
      throw new InferError("not-found", `failed to load '${model}', it is not in the repository`);
    const failing = versions.find(({ current, error }) => current === undefined && error !== undefined);
    if (failing === undefined) return;
    const text = `failed to load '${model}', version ${failing.version}: ${failing.error?.message}`;
    throw new InferError("unavailable", text, { origin: "backend", retryable: "no" });
  }

  function lookNow(): Promise<void> {
    const now = looking.then(() => look("trusted"));
    looking = now.catch(() => {});
    return now;
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

  return {
    lookSoon,
    lookNow,
    load: loadModel,
    unload,
    async close() {
      closed = true;
      stopTimer?.();
      endPause();
      await looking;
      await loads;
    },
  };
}

function numbersOf(model: FoundModel): readonly string[] {
  const all = model.versions.map(({ version }) => version);
  return wantedVersions(all, model.settings);
}

function markOf(model: FoundModel, inspected: Inspected): string {
  const { labels: _labels, versionPolicy: _policy, ...loadedWith } = model.settings;
  const { config, labels } = model.declared ?? {};
  return JSON.stringify([
    inspected.fingerprint,
    loadedWith,
    model.mistake ?? null,
    config ?? null,
    [...(labels ?? [])],
  ]);
}

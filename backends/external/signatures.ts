// What is known of the models' signatures: asked of one server, kept, and asked again when it may have changed.

import type { BackendModel } from "../../core/backend.ts";
import { unlessAborted } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import { differenceOf } from "./difference.ts";
import { openErrands } from "./errands.ts";
import type { KnownSignature } from "./names.ts";
import { askOne, type TellingOptions, type Told, tell, type Version } from "./telling.ts";

export interface SignaturesOptions extends TellingOptions {
  readonly env: Env;
}

/** The signatures of a backend's models. */
export interface Signatures {
  /**
   * The model's signature: as a server tells it, else as the config declares it; that of the newest ready version where
   * none is named. Waits at most as long as the signal lets it.
   *
   * @throws InferError not-found, unsupported, or unavailable when nobody can tell now
   */
  get(model: BackendModel, signal: AbortSignal): Promise<ModelMetadata>;
  /** The model's signature where it is known now, and whether a server told it; asks nobody. */
  peek(model: BackendModel): KnownSignature | undefined;
  /** What that server tells now, whatever is known. @throws InferError as `get` */
  askAt(id: string, model: BackendModel): Promise<ModelMetadata>;
  /** Asks in the background for those ready versions of the model that are not known. */
  prepare(model: string): void;
  /** The models have become ready at one server: what it told is asked again, what others told is compared. */
  renew(models: readonly string[], at: string): void;
  /** The config declares the model now, or otherwise than before. */
  redeclare(model: string): void;
  /** Everything known of the model is old. */
  forget(model: string): void;
  close(): void;
}

interface Entry {
  readonly model: Version;
  /** The endpoint that told it; undefined for what the config declares. */
  from: string | undefined;
  known: ModelMetadata | undefined;
  flight: Promise<ModelMetadata> | undefined;
  /** The last failure counts until then, so that a server is not asked at the rate of the traffic. */
  fault: { readonly error: InferError; readonly untilMs: number } | undefined;
}

/** How long a failure is believed. */
const FAULT_MS = 1000;
/** Of differing signatures at most so many are told apart in the log. */
const MOST_WARNINGS = 100;

export function openSignatures(options: SignaturesOptions): Signatures {
  const { backend, catalog, env } = options;
  const shelf = openShelf();
  const errands = openErrands();
  const life = new AbortController();
  const warned = new Set<string>();

  const warn = (text: string) => {
    if (warned.has(text) || warned.size >= MOST_WARNINGS) return;
    warned.add(text);
    env.log.warn({ backend }, text);
  };
  const keep = (entry: Entry, { metadata, from, lasting }: Told) => {
    const said = from === undefined ? undefined : differenceOf(options.said(entry.model.name).declared, metadata);
    if (said !== undefined) warn(`${named(entry)}: the config declares another signature than ${from} has: ${said}`);
    Object.assign(entry, { known: lasting ? metadata : undefined, from, flight: undefined, fault: undefined });
    // what was forgotten meanwhile answers those who wait for it, and is not kept
    if (lasting && shelf.has(entry)) for (const { id } of options.tellers()) if (id !== from) compareAt(entry, id);
    return metadata;
  };
  const miss = (entry: Entry, thrown: unknown): never => {
    const error = asInferError(thrown);
    Object.assign(entry, { flight: undefined, fault: { error, untilMs: env.clock.now() + FAULT_MS } });
    // a name that nobody knows takes no place
    const isKnown = catalog.ready(entry.model.name)?.includes(entry.model.version) === true;
    if (!isKnown && shelf.has(entry)) shelf.drop(entry);
    throw error;
  };
  const askFor = (entry: Entry): Promise<ModelMetadata> => {
    if (entry.flight !== undefined) return entry.flight;
    const flight = tell(options, entry.model, life.signal).then(
      (told) => keep(entry, told),
      (error: unknown) => miss(entry, error),
    );
    // those who wait for it hear how it ended
    flight.catch(() => {});
    entry.flight = flight;
    return flight;
  };
  const compareAt = (entry: Entry, at: string) => {
    errands.add(JSON.stringify([at, entry.model.name, entry.model.version]), async () => {
      const teller = options.tellers().find(({ id }) => id === at);
      if (teller === undefined || entry.known === undefined || entry.from === undefined || !shelf.has(entry)) return;
      if (!teller.healthy || !teller.serves(entry.model)) return;
      const told = await askOne(options, { teller, model: entry.model }, life.signal);
      const differs = differenceOf(entry.known, told);
      if (differs !== undefined) warn(`${named(entry)}: ${at} has another signature than ${entry.from}: ${differs}`);
    });
  };
  const prepare = (name: string) => {
    for (const version of catalog.ready(name) ?? []) {
      const entry = shelf.get({ name, version });
      if (entry.known !== undefined || entry.flight !== undefined) continue;
      errands.add(JSON.stringify([name, version]), async () => void (await askFor(entry)));
    }
  };

  return {
    async get({ name, version }, signal) {
      const entry = shelf.get({ name, version: version ?? catalog.ready(name)?.at(-1) ?? "" });
      if (entry.known !== undefined) return entry.known;
      if (entry.fault !== undefined && entry.fault.untilMs > env.clock.now()) throw entry.fault.error;
      return unlessAborted(askFor(entry), signal);
    },
    peek({ name, version }) {
      const entry = shelf.peek({ name, version: version ?? catalog.ready(name)?.at(-1) ?? "" });
      return entry?.known === undefined
        ? undefined
        : { outputs: entry.known.outputs, isTold: entry.from !== undefined };
    },
    async askAt(id, { name, version }) {
      const teller = options.tellers().find((one) => one.id === id);
      if (teller === undefined) throw new InferError("unavailable", `endpoint ${id} is gone`);
      return askOne(options, { teller, model: { name, version: version ?? "" } }, life.signal);
    },
    prepare,
    renew(models, at) {
      for (const model of models) {
        const known = shelf.of(model);
        for (const entry of known) {
          if (entry.from !== undefined && entry.from !== at) compareAt(entry, at);
          else shelf.drop(entry);
        }
        if (known.length > 0) prepare(model);
      }
    },
    redeclare(model) {
      for (const entry of shelf.of(model))
        if (entry.from === undefined && entry.flight === undefined) shelf.drop(entry);
    },
    forget(model) {
      const known = shelf.of(model);
      for (const entry of known) shelf.drop(entry);
      if (known.length > 0) prepare(model);
    },
    close() {
      errands.close();
      life.abort(new InferError("unavailable", `backend "${backend}" is closed`));
    },
  };
}

function named({ model }: Entry): string {
  return model.version === "" ? `model "${model.name}"` : `model "${model.name}" version ${model.version}`;
}

/** The entries by model and version. */
interface Shelf {
  get(model: Version): Entry;
  peek(model: Version): Entry | undefined;
  of(name: string): readonly Entry[];
  has(entry: Entry): boolean;
  drop(entry: Entry): void;
}

function openShelf(): Shelf {
  const models = new Map<string, Map<string, Entry>>();
  return {
    get(model) {
      const versions = models.get(model.name) ?? new Map<string, Entry>();
      models.set(model.name, versions);
      const known = versions.get(model.version);
      if (known !== undefined) return known;
      const entry = { model, from: undefined, known: undefined, flight: undefined, fault: undefined };
      versions.set(model.version, entry);
      return entry;
    },
    peek: ({ name, version }) => models.get(name)?.get(version),
    of: (name) => [...(models.get(name)?.values() ?? [])],
    has: (entry) => models.get(entry.model.name)?.get(entry.model.version) === entry,
    drop({ model }) {
      const versions = models.get(model.name);
      versions?.delete(model.version);
      if (versions?.size === 0) models.delete(model.name);
    },
  };
}

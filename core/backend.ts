// The contract of a backend: something that runs models, as a pool of endpoints.

import type { ZodType } from "zod";
import type { Call } from "./call.ts";
import type { Env } from "./env.ts";
import type { Catalog, Identity, ModelMetadata, ModelStatus, Signature } from "./model.ts";
import type { Outcome } from "./outcome.ts";
import type { RunSliced } from "./run.ts";
import type { Service } from "./service.ts";

/** A permit to use one slot; given back exactly once, with what came of it. */
export interface Lease {
  release(outcome: Outcome): void;
}

/** How much an endpoint can take at once, shared by all models on it. */
export interface Slots {
  /** How many runs could start now without waiting. */
  readonly free: number;
  /** How many are running or waiting here now, over all models. */
  readonly busy: number;
  /** `free` and `busy` count what really runs at once, as workers do; else they are only a limit of what may be sent. */
  readonly exact?: boolean;
  /**
   * Waits for a slot; `rows` is the size of what will run in it.
   *
   * @throws InferError overloaded when too many wait already, or the call's abort reason
   */
  take(rows: number, call: Call): Promise<Lease>;
  /** Calls back whenever a slot has become free; the answer stops that. */
  onFree(listener: () => void): () => void;
}

/** One server, or one pool of local workers. */
export interface Endpoint {
  /** `backend/address`: unique in the process. */
  readonly id: string;
  /** The host as the config has it, where the endpoint's address was found under it: it is spoken to by that name. */
  readonly foundAs?: string;
  readonly zone: string | undefined;
  readonly weight: number;
  /** 0 first: a higher tier gets work only when the lower ones cannot take it all. */
  readonly tier: number;
  /** Words of the config by which a target picks among a backend's endpoints. */
  readonly tags: readonly string[];
  /** Runs the model named by the request: its name and version *there*. Fails fast when it cannot take it now. */
  readonly infer: Service;
  readonly slots: Slots;
  /** Whether it is well, so that it may be given work now; whether it has room `slots` say. */
  available(model?: BackendModel): boolean;
  /** Whether it is known to answer for the model now: cheap, for every request. */
  serves(model: BackendModel): boolean;
  /** Asks it whether it can answer for the model, and for that version when one is named. */
  ready(model: BackendModel, signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

/** A model as the backend knows it; the newest version when none is named. */
export interface BackendModel {
  readonly name: string;
  readonly version?: string;
}

/** The endpoints of a backend as they come and go. */
export interface Pool {
  list(): readonly Endpoint[];
  onChange(listener: () => void): () => void;
}

/** A model that the config names, for backends that look after only the models somebody wants. */
export interface FollowedModel {
  readonly name: string;
  /** The signature that the config declares, in the names and datatypes of the backend. */
  readonly declared?: Signature;
}

export interface Backend {
  readonly name: string;
  readonly kind: string;
  readonly catalog: Catalog;
  readonly endpoints: Pool;
  /** Its models may have several signatures by name; elsewhere there is one, and another is refused before the backend. */
  readonly signatures?: boolean;
  /** @throws InferError not-found for a model or version that is not there, unavailable when nobody can tell now */
  metadata(model: BackendModel, signal: AbortSignal): Promise<ModelMetadata>;
  /** What the model is made of now: cheap, for every request; absent or undefined where nobody knows. */
  identity?(model: BackendModel): Identity | undefined;
  /**
   * By the words of policies: what a model's own files ask of each, as the config would write it, where the config says
   * nothing; the same value until it changes.
   */
  readonly wishes?: ReadonlyMap<string, (model: BackendModel) => unknown>;
  /** What can be done with its models; a backend that finds it out from its servers has none before it knows one. */
  readonly control?: ControlPlane | undefined;
  /** Keeps the model's versions, readiness and signature current from now on; the answer ends that. */
  follow?(model: FollowedModel): () => void;
  /** Lets what runs finish, then lets go of everything. */
  close(): Promise<void>;
}

/** What a model is to be loaded with in place of what lies in its repository. Source: Triton, extension_model_repository.md. */
export interface LoadOptions {
  /** The model's config as JSON text. */
  readonly config?: string;
  /** Files by their path in the model's folder. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What an operator may do with a backend's models; each is there only where the backend can do it. */
export interface ControlPlane {
  list?(signal: AbortSignal): Promise<readonly ModelStatus[]>;
  /** Resolves when the model is ready; `options` may be refused by a backend that has no such thing. */
  load?(model: string, signal: AbortSignal, options?: LoadOptions): Promise<void>;
  unload?(model: string, signal: AbortSignal): Promise<void>;
  /** The model's configuration as the backend's own JSON. */
  config?(model: BackendModel, signal: AbortSignal): Promise<unknown>;
  statistics?(model: BackendModel, signal: AbortSignal): Promise<unknown>;
}

/** What a backend is given when it is opened. */
export interface BackendContext {
  readonly name: string;
  readonly env: Env;
  /** The folder that relative paths in the config start from. */
  readonly baseDir: string;
  /**
   * The value of a YAML text, for kinds that keep settings beside their models; the parser's one door is elsewhere.
   *
   * @throws Error saying what is wrong and on which line
   */
  parseYaml(text: string): unknown;
  /** Runs the codecs of large bodies without holding the event loop. */
  readonly run: RunSliced;
}

/** A kind of backend: one file and one line in `backends/registry.ts`. */
export interface BackendKind<Options = unknown> {
  /** The word after `kind:` in the config. */
  readonly kind: string;
  /** The options beside `kind:`, each with a description for the JSON Schema. */
  readonly options: ZodType<Options>;
  /** It sees its models' files, so that no change of a model goes unseen. */
  readonly seesFiles?: boolean;
  /**
   * Opens the backend. It resolves as soon as calls may be sent to it; models may still be loading. A server that is
   * absent is no error: its models are not ready.
   */
  open(options: Options, context: BackendContext): Promise<Backend>;
}

/** A pool that never changes. */
export function fixedPool(endpoints: readonly Endpoint[]): Pool {
  return { list: () => endpoints, onChange: () => () => {} };
}

// The config as the gateway reads it: typed, complete, frozen.

import type { BackendKind } from "../core/backend.ts";
import type { TargetRef } from "../core/bridge.ts";
import type { Signature } from "../core/model.ts";
import type { PolicyKind } from "../core/policy.ts";
import type { Dialect } from "../core/protocol.ts";
import type { Branch } from "../core/route.ts";

/** Where a listener listens; port 0 asks the system for a free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Listen {
  readonly http?: Address;
  readonly grpc?: Address | undefined;
  readonly admin?: Address;
}

/** A range of addresses. */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** Who may force a variant and see the way of a request. */
export interface Testers {
  readonly peers: readonly Network[];
  readonly tenants: readonly string[];
}

/** Where the records of exposures go, and how many wait for how long. */
export interface ExposuresConfig {
  readonly to: "stdout" | { readonly file: string } | { readonly webhook: string };
  readonly everyMs: number;
  readonly batch: number;
  readonly queue: number;
}

/** The store that replicas share. */
export interface StoreConfig {
  /** `redis://`, `rediss://`, `valkey://` or `valkeys://`, with user, password and number of the database where it needs them. */
  readonly valkey: string;
  /** The same for all replicas and known to nobody else. */
  readonly secret: string;
  /** How long one ask may take. */
  readonly timeoutMs: number;
  /** The first part of every key there. */
  readonly prefix: string;
  /** The largest answer that is kept there. */
  readonly maxValueBytes: number;
}

/** What operators need to change the config while the gateway runs. */
export interface AdminConfig {
  /** What they send as a bearer token; nothing on loopback where undefined. */
  readonly token?: string | undefined;
  /** The file of the history; memory where undefined. */
  readonly history?: string | undefined;
}

/** How many bytes of requests may be in the house at once: a share of the memory there is, or bytes. */
export type InFlight = { readonly fraction: number } | { readonly bytes: number };

export interface Limits {
  /** Bytes of one request's body, as sent and inflated. */
  readonly bodyBytes: number;
  /** Bytes of one message over gRPC, as sent and inflated, in and out. */
  readonly messageBytes: number;
  readonly inFlight: InFlight;
  /** Of the process: above it new requests are refused. */
  readonly memory: InFlight;
  /** How late the event loop may be before new requests are refused. */
  readonly lagMs: number;
  /** Connections of clients to each listener; as many as the open files allow where undefined. */
  readonly connections: number | undefined;
  readonly headerBytes: number;
  readonly urlBytes: number;
  /** Inputs of one request. */
  readonly inputs: number;
  /** Depth of JSON. */
  readonly nesting: number;
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface BackendConfig {
  readonly name: string;
  readonly kind: BackendKind;
  /** What `kind.options` made of the words beside `kind:`. */
  readonly options: unknown;
  /** The policies that hold for all models there, by their words. */
  readonly policies: ReadonlyMap<string, unknown>;
  /** The words as they were written, as text: equal text, equal meaning. */
  readonly source: { readonly options: string; readonly policies: string };
}

/** Where the versions of a model come from: they are the backend's own, or the config declares each of them. */
export type Runs =
  | { readonly by: "backend"; readonly target: TargetRef }
  | { readonly by: "versions"; readonly versions: ReadonlyMap<string, readonly TargetRef[]> };

export interface ModelConfig {
  readonly name: string;
  /** Its targets' backends exist. */
  readonly runs: Runs;
  /** Versions by label; where the config declares the versions they exist. */
  readonly labels: ReadonlyMap<string, string>;
  /** The signature, where the config declares it. */
  readonly signature: Signature | undefined;
  /** Which way requests go that name neither a version nor a label; the newest version where absent. */
  readonly route?: Branch;
  /** Whose answers it gives on the paths that protocols share; found out from each request where absent. */
  readonly dialect?: Dialect;
  /** Its endpoint's name for clients of SageMaker. */
  readonly endpoint?: string;
  /** The model's policies: what follows each word, as its kind's options read it. */
  readonly policies: ReadonlyMap<string, unknown>;
  /** Its words as they were written, as text: equal text, equal meaning. */
  readonly source: string;
}

export interface Config {
  readonly listen: Listen;
  readonly readiness: "gateway" | "any" | "all";
  /** How long the gateway goes on accepting after SIGTERM; undefined where the config says nothing. */
  readonly drainDelayMs: number | undefined;
  /** How long what is in flight may take to finish after that. */
  readonly drainLimitMs: number;
  readonly tenant: { readonly header: string; readonly trusted: true } | undefined;
  /** Nobody where undefined. */
  readonly testers: Testers | undefined;
  readonly exposures: ExposuresConfig | undefined;
  readonly admin: AdminConfig | undefined;
  /** Memory of the replica's own where undefined. */
  readonly store: StoreConfig | undefined;
  /** What the kept answers of all models take together at most. */
  readonly cache: { readonly maxBytes: number };
  /** The deadline of a request where neither the client nor the model says one. */
  readonly timeoutMs: number;
  readonly limits: Limits;
  readonly log: { readonly level: LogLevel };
  /** Errors name servers and tell all that they said. */
  readonly debug: boolean;
  /** What clients may do with Triton's extensions beyond asking. */
  readonly triton: {
    readonly control: boolean;
    readonly sharedMemory: boolean;
    readonly contents: "raw" | "as-asked";
  };
  /** What clients of SageMaker find; the usual where undefined. */
  readonly sagemaker: SageMakerConfig | undefined;
  /** Paths that go to a server as they come, by prefix. */
  readonly passthrough: ReadonlyMap<string, PassthroughConfig> | undefined;
  /** The gateway's own zone. */
  readonly zone: string | undefined;
  readonly backends: readonly BackendConfig[];
  /** Undefined: every model of every backend, under its own name. */
  readonly models: readonly ModelConfig[] | undefined;
  /** The policies that hold for all requests, by their words. */
  readonly policies: ReadonlyMap<string, unknown>;
  /** The file that the config was read from, for messages. */
  readonly file: string;
  /** The folder that relative paths in the config start from. */
  readonly baseDir: string;
}

/** The server behind a prefix that is passed through: a URL, or a backend of which one endpoint is asked. */
export interface PassthroughConfig {
  readonly to?: string | undefined;
  readonly backend?: string | undefined;
  readonly port?: number | undefined;
  /** On the backend: the path that stands for the prefix. */
  readonly path: string;
  readonly websocket: boolean;
  /** Headers of the client that the server gets beside the harmless ones, and those that the gateway sets. */
  readonly request: { readonly forward: readonly string[]; readonly set: Readonly<Record<string, string>> };
  /** Headers of the server with credentials that the client gets all the same, and those that it does not get. */
  readonly response: { readonly forward: readonly string[]; readonly remove: readonly string[] };
}

/** What clients of SageMaker find. */
export interface SageMakerConfig {
  /** Whose signatures count; without any nobody has to sign. */
  readonly keys: readonly SageMakerKey[];
  readonly region?: string | undefined;
  /** The model behind /invocations where a request names none. */
  readonly invocations?: string | undefined;
}

export interface SageMakerKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** The kinds of backend and of policy that a config may name. */
export interface Kinds {
  readonly backends: readonly BackendKind[];
  readonly policies: readonly PolicyKind[];
}

/** Freezes plain objects and lists all the way down; what has a class of its own is left alone. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

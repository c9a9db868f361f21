// What clients of Triton's extensions may see of the gateway itself, and change where the config lets them.

import type { Sliced } from "./run.ts";

/** How often something was done, and for how long in all. */
export interface Timed {
  readonly count: number;
  readonly ns: number;
}

/** What one version of a model has answered since the gateway began. Source: Triton, extension_statistics.md. */
export interface VersionStatistics {
  readonly name: string;
  readonly version: string;
  /** When the last request came in, in milliseconds since the epoch; 0 before the first. */
  readonly lastInferenceMs: number;
  /** Rows answered by the model itself, not from a cache. */
  readonly inferences: number;
  /** Runs or calls to a server: less than `inferences` where rows are joined. */
  readonly executions: number;
  readonly success: Timed;
  readonly fail: Timed;
  /** Waiting for a place to run. */
  readonly queue: Timed;
  /** In the model, or in the server and on the way to it where that does not tell its own time. */
  readonly compute: Timed;
  readonly cacheHit: Timed;
  readonly cacheMiss: Timed;
  /** Executions by their rows. */
  readonly batches: ReadonlyMap<number, Timed>;
}

export type SettingValue = string | number | boolean;

/** Settings of the log in Triton's words. */
export interface LogSettings {
  get(): ReadonlyMap<string, SettingValue>;
  /** @throws InferError for a word or a value that this log cannot do; then nothing is changed */
  change(changes: ReadonlyMap<string, SettingValue>): void;
}

/** Settings of Triton's traces: kept for who reads them back; nothing is traced by them. */
export interface TraceSettings {
  /** @param model the gateway's own settings when absent */
  get(model?: string): ReadonlyMap<string, readonly string[]>;
  /** @param changes undefined as a value takes a model's own setting back */
  change(changes: ReadonlyMap<string, readonly string[] | undefined>, model?: string): void;
}

/** A part of a region of shared memory. */
export interface RegionPart {
  readonly region: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A region of shared memory as its client registers it. */
export interface Region {
  readonly name: string;
  /** The name of the shared memory object: `/frames`. */
  readonly key: string;
  /** Where in the object the region begins. */
  readonly offset: number;
  readonly bytes: number;
}

/** The regions of system shared memory that clients on this machine have registered. */
export interface Regions {
  list(): readonly Region[];
  /** @throws InferError invalid-argument for a name that is taken and a region beyond its object's end */
  register(region: Region): void;
  /** All of them when no name is given; a name that is not there is none the less gone. */
  unregister(name?: string): void;
  /**
   * What reads the inputs of one request; together they are no larger than a body may be.
   *
   * @throws InferError invalid-argument for a region that is not there or ends too soon, too-large
   */
  reader(): (part: RegionPart) => Sliced<Uint8Array>;
  /** Writes an output. @throws InferError invalid-argument for one that does not fit */
  write(part: RegionPart, data: Uint8Array): Sliced<void>;
}

/** What is known and can be set of the gateway as a server of Triton's kind. */
export interface OperatorPlane {
  /** Whether clients may change anything: load, unload, settings. */
  readonly mayChange: boolean;
  /** Of the versions that are ready, of one model or of all. @throws InferError not-found */
  statistics(model?: string, version?: string): readonly VersionStatistics[];
  readonly log: LogSettings;
  readonly trace: TraceSettings;
  /** Outputs over gRPC come raw, or in the form that the inputs came in; raw when absent. */
  readonly contents?: "raw" | "as-asked";
  /** Absent where the config does not allow shared memory. */
  readonly regions?: Regions;
}

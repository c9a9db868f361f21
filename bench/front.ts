// What a gateway in front of servers is started with, and what it says of itself.

/** A gateway in front of servers. */
export interface FrontSetup {
  /** The config's `backends` and `models`. */
  readonly backends: Readonly<Record<string, object>>;
  readonly models: Readonly<Record<string, object>>;
  /** `info` writes one line a request, as a gateway in use does. */
  readonly log: "info" | "silent";
}

/** Where it listens. */
export interface FrontPorts {
  readonly http: number;
  readonly grpc: number;
}

/** What its process holds, after its garbage has been collected. */
export interface FrontMemory {
  readonly rssMiB: number;
  readonly heapMiB: number;
}

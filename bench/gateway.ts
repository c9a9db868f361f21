// What the gateway's process is started with: the parts of a config that a figure decides.

export interface GatewaySetup {
  /** The folder of models, all of which are served by one worker. */
  readonly repository: string;
  /** `info` writes one line a request, as a gateway in use does. */
  readonly log: "info" | "silent";
  /** What follows the word `batch` for every model; no batching when absent. */
  readonly batch?: unknown;
  /** The config's models, in place of those of the repository. */
  readonly models?: Readonly<Record<string, object>>;
}

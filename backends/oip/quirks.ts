// How servers of the Open Inference Protocol differ over HTTP.

import type { OipGrpcDialect } from "./grpc-quirks.ts";

/** The servers whose ways are known, and `plain` for all others, of which nothing is asked that the protocol lacks. */
export type OipDialect = OipGrpcDialect;

export const OIP_DIALECTS = [
  "auto",
  "triton",
  "kserve",
  "mlserver",
  "ovms",
  "torchserve",
  "plain",
] as const satisfies readonly (OipDialect | "auto")[];

/** What a server does in its own way. Sources: protocols.md 2, 5, 6, 7, 9.5, 16.1, 16.5, 16.6 and 16.7. */
export interface OipQuirks {
  /** Takes and gives tensors by the binary extension. */
  readonly binary: boolean;
  /** Fails where an output that is to be binary has no elements. */
  readonly refusesEmptyBlobs: boolean;
  /** Takes and gives FP16 as numbers in JSON. */
  readonly jsonHalves: boolean;
  /** Has paths of a model's versions. */
  readonly versions: boolean;
  /** Where its models are listed: Triton's index of versions with their states, KServe's names, or nowhere. */
  readonly list: "index" | "names" | "none";
  /** What is known of a model is asked of it; TorchServe can be asked nothing and is taken at its word. */
  readonly describes: boolean;
  /** Loads and unloads models when asked to. */
  readonly repository: boolean;
  /** Has `config` and `stats` of a model. */
  readonly config: boolean;
  /** Understands the parameters `timeout`, `priority` and `sequence_*`; others hand them to the model. */
  readonly schedules: boolean;
  /** Gives the outputs that are asked for and no others; elsewhere it is the model's own choice. */
  readonly obeysOutputs: boolean;
  /** Puts parameters of its own making into its answers, which say nothing of the model's. */
  readonly ownParameters: boolean;
  /** Says how it is at this path. */
  readonly ready: string;
}

const PLAIN: OipQuirks = {
  binary: false,
  refusesEmptyBlobs: false,
  jsonHalves: false,
  versions: true,
  list: "none",
  describes: true,
  repository: false,
  config: false,
  schedules: false,
  obeysOutputs: false,
  ownParameters: false,
  ready: "/v2/health/ready",
};

/** The ways of each server. */
export const OIP_QUIRKS: Readonly<Record<OipDialect, OipQuirks>> = {
  triton: {
    ...PLAIN,
    binary: true,
    list: "index",
    repository: true,
    config: true,
    schedules: true,
    obeysOutputs: true,
  },
  // NaN and Infinity are null in its JSON, so its tensors go binary
  kserve: { ...PLAIN, binary: true, refusesEmptyBlobs: true, versions: false, list: "names", repository: true },
  mlserver: { ...PLAIN, jsonHalves: true, list: "index", repository: true, ownParameters: true },
  ovms: { ...PLAIN, binary: true },
  torchserve: { ...PLAIN, versions: false, describes: false, ready: "/ping" },
  plain: PLAIN,
};

/** The ways of a server that nobody knows by name, as far as its extensions tell them. Source: Triton, docs/protocol. */
export function plainQuirks(extensions: readonly string[]): OipQuirks {
  const has = (word: string) => extensions.some((extension) => extension === word);
  return {
    ...PLAIN,
    binary: has("binary_tensor_data"),
    ...(has("model_repository") ? { list: "index", repository: true } : {}),
    config: has("model_configuration"),
    schedules: has("schedule_policy"),
  };
}

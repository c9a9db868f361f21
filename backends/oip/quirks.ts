// How servers of the Open Inference Protocol differ over HTTP.

import type { Datatype } from "../../core/tensor.ts";
import type { JsonForm } from "../../wire/oip-write.ts";
import type { Naming } from "../connection.ts";
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
  /** Datatypes that it does not know. */
  readonly lacks: readonly Datatype[];
  /** It reads BYTES as UTF-8 even where they come as blobs. */
  readonly textsOnly: boolean;
  /** What it takes in JSON, and FP16 as numbers gives too, where that is not what Triton takes. */
  readonly json: JsonForm;
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
  /** Whether its models answer only what they tell: see `Connection.naming`. */
  readonly naming: Naming;
  /** Puts parameters of its own making into its answers, which say nothing of the model's. */
  readonly ownParameters: boolean;
  /** Says how it is at this path. */
  readonly ready: string;
}

const OVER_GRPC = "the backend's protocol: grpc";

const PLAIN: OipQuirks = {
  binary: false,
  refusesEmptyBlobs: false,
  lacks: [],
  textsOnly: false,
  json: { carrier: OVER_GRPC },
  versions: true,
  list: "none",
  describes: true,
  repository: false,
  config: false,
  schedules: false,
  obeysOutputs: false,
  naming: "some",
  ownParameters: false,
  ready: "/v2/health/ready",
};

/** MLServer has no binary extension, and its JSON is strict. */
const MLSERVER_JSON: JsonForm = {
  halves: true,
  style: { floats: "shortest", odd: "refuse", bytes: "text" },
  carrier: OVER_GRPC,
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
    naming: "only",
  },
  // NaN and Infinity are null in its JSON, so its tensors go binary
  kserve: {
    ...PLAIN,
    binary: true,
    refusesEmptyBlobs: true,
    lacks: ["BF16"],
    textsOnly: true,
    versions: false,
    list: "names",
    repository: true,
  },
  mlserver: { ...PLAIN, json: MLSERVER_JSON, lacks: ["BF16"], list: "index", repository: true, ownParameters: true },
  ovms: { ...PLAIN, binary: true, naming: "only" },
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

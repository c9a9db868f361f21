// How servers of the Open Inference Protocol differ over gRPC.

import type { Datatype } from "../../core/tensor.ts";
import { OIP_SERVICE, TORCHSERVE_SERVICE } from "../../wire/oip-proto-service.ts";
import type { Contents } from "../../wire/oip-proto-write.ts";
import type { Naming } from "../connection.ts";

/** The servers whose ways are known, and `plain` for all others, of which nothing is asked that the protocol lacks. */
export type OipGrpcDialect = "triton" | "mlserver" | "kserve" | "ovms" | "torchserve" | "plain";

/** What a server does in its own way. Sources: protocols.md 3, 5, 6, 7, 9.5, 16.1, 16.6 and 16.7. */
export interface OipGrpcQuirks {
  /** The service's full name in paths. */
  readonly service: string;
  readonly contents: Contents;
  /** Datatypes that it does not know. */
  readonly lacks: readonly Datatype[];
  /** What the messages of ModelStreamInfer are: Triton's own envelope, plain answers, or nothing is known. */
  readonly stream: "wrapped" | "plain" | "none";
  /** Has RepositoryIndex. */
  readonly index: boolean;
  /** Whose numbering the requests to load and unload have; none where there are no such requests. */
  readonly repository: "triton" | "kserve" | "none";
  /** Takes a version of a model. */
  readonly versions: boolean;
  /** Has ModelConfig and ModelStatistics. */
  readonly config: boolean;
  /** Understands the parameters `timeout` and `priority`; others hand them to the model. */
  readonly schedules: boolean;
  /** Whether its models answer only what they tell: see `Connection.naming`. */
  readonly naming: Naming;
  /** Puts parameters of its own making into its answers, which say nothing of the model's. */
  readonly ownParameters: boolean;
}

const PLAIN: OipGrpcQuirks = {
  service: OIP_SERVICE,
  contents: "raw",
  lacks: [],
  stream: "none",
  index: false,
  repository: "none",
  versions: true,
  config: false,
  schedules: false,
  naming: "some",
  ownParameters: false,
};

/** The ways of each server. */
export const OIP_GRPC_QUIRKS: Readonly<Record<OipGrpcDialect, OipGrpcQuirks>> = {
  triton: {
    ...PLAIN,
    naming: "only",
    stream: "wrapped",
    index: true,
    repository: "triton",
    config: true,
    schedules: true,
  },
  // KServe: `binary_data_size`, of its REST answers; MLServer: `content_type`, which means something else here
  mlserver: { ...PLAIN, lacks: ["BF16"], stream: "plain", index: true, repository: "triton", ownParameters: true },
  kserve: { ...PLAIN, lacks: ["BF16"], repository: "kserve", versions: false, ownParameters: true },
  ovms: { ...PLAIN, naming: "only" },
  torchserve: { ...PLAIN, service: TORCHSERVE_SERVICE, contents: "typed" },
  plain: PLAIN,
};

/** Which server says this of itself in ServerMetadata. */
export function oipGrpcDialectOf(serverName: string): OipGrpcDialect {
  const name = serverName.toLowerCase();
  if (name.includes("triton")) return "triton";
  if (name.includes("mlserver")) return "mlserver";
  if (name.includes("kserve")) return "kserve";
  if (name.includes("openvino")) return "ovms";
  if (name.includes("torchserve")) return "torchserve";
  return "plain";
}

/** The ways of a server that nobody knows by name, as far as its extensions tell them. Source: Triton, docs/protocol. */
export function plainGrpcQuirks(extensions: readonly string[]): OipGrpcQuirks {
  const has = (word: string) => extensions.includes(word);
  return {
    ...PLAIN,
    ...(has("model_repository") ? { index: true, repository: "triton" } : {}),
    config: has("model_configuration"),
    schedules: has("schedule_policy"),
  };
}

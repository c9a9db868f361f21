// The ways of each kind that surprise people, in words: what the adapters work around, and what nobody can.

import { OIP_GRPC_QUIRKS, oipGrpcDialectOf, plainGrpcQuirks } from "../oip/grpc-quirks.ts";
import { OIP_QUIRKS, plainQuirks } from "../oip/quirks.ts";
import type { Detected } from "./detected.ts";

/** Seen on running servers: protocols.md 16. */
const OF_KINDS: Readonly<Record<string, readonly string[]>> = {
  torchserve: [
    "tells no signatures: declare them",
    "one bad row fails the whole batch that the server makes, neighbours included",
    "resets the connection after each error",
  ],
  "tf-serving": ["cannot list its models: name them with --model"],
  "kserve-v1": ["tells no signatures: declare them", "NaN and Infinity become null in its JSON", "has no versions"],
  bentoml: [
    "has no versions",
    "NaN and Infinity become null in its JSON",
    "an API without datatypes tells no signature",
  ],
  litserve: [
    "tells no signatures: declare them",
    "has no versions",
    "one bad request fails the whole batch that the server makes, neighbours included",
  ],
  sagemaker: ["tells no signatures: declare them"],
};

/** What is worth knowing of the server, each in one line. */
export function habitsOf({ kind, transport, server, extensions = [], notes }: Detected): readonly string[] {
  const own = kind === "triton" || kind === "oip" ? ofOpenInference(transport, server, extensions) : OF_KINDS[kind];
  return [...notes, ...(own ?? [])];
}

function ofOpenInference(
  transport: Detected["transport"],
  server: string,
  extensions: readonly string[],
): readonly string[] {
  const dialect = oipGrpcDialectOf(server);
  if (transport === "grpc") {
    const quirks = dialect === "plain" ? plainGrpcQuirks(extensions) : OIP_GRPC_QUIRKS[dialect];
    return [
      quirks.contents === "raw" ? "tensors go as raw bytes" : "tensors go as typed contents",
      quirks.stream === "none" ? "has no streams of answers" : "can answer in streams",
      quirks.index ? "lists its models" : "cannot list its models: name them with --model",
      ...repository(quirks.repository !== "none"),
      ...(quirks.versions ? [] : ["has no versions"]),
      ...(quirks.schedules ? ["understands timeout and priority"] : []),
    ];
  }
  const quirks = dialect === "plain" ? plainQuirks(extensions) : OIP_QUIRKS[dialect];
  return [
    quirks.binary ? "tensors go as binary" : "tensors go as JSON only: protocol: grpc carries them faster",
    quirks.list === "none" ? "cannot list its models: name them with --model" : "lists its models",
    ...repository(quirks.repository),
    ...(quirks.versions ? [] : ["has no versions"]),
    ...(quirks.schedules ? ["understands timeout and priority"] : []),
    ...(quirks.obeysOutputs ? [] : ["leaves it to each model which outputs it gives"]),
  ];
}

function repository(can: boolean): readonly string[] {
  return can ? ["loads and unloads models on demand"] : [];
}

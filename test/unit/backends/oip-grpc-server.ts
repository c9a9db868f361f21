// A played server of the Open Inference Protocol over gRPC, for the tests of a connection to one. Its answers are the bytes of
// Google's protobuf (test/golden/wire/make_oip_grpc.py) or spelled out field by field.

import { readFileSync } from "node:fs";
import { openOipGrpc } from "../../../backends/oip/grpc.ts";
import type { OipGrpcDialect } from "../../../backends/oip/grpc-quirks.ts";
import { type Call, openCall } from "../../../core/call.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { decodeRequest } from "../../../wire/oip-proto.ts";
import { runNow } from "../../../wire/sliced.ts";
import { fakeClock } from "../../support/fake-env.ts";
import { type GrpcAsked, type PlayedAnswer, type PlayedGrpcDoor, playedGrpcDoor } from "../../support/grpc-door.ts";
import { numbers } from "../../support/kind-door.ts";
import { type SpelledField, spell, spellTensor } from "../wire/messages.ts";

const GOLDEN = new URL("../../golden/wire/oip-grpc.json", import.meta.url);
const { messages } = JSON.parse(readFileSync(GOLDEN, "utf8")) as { messages: Record<string, string> };
export const golden = (name: string): Buffer => Buffer.from(messages[name]!, "hex");

export const signal = new AbortController().signal;
export const call = (more: Partial<Parameters<typeof openCall>[0]> = {}): Call =>
  openCall({ id: "client-id", traceparent: "00-1-2-01", clock: fakeClock(), protocol: "test", ...more });
export const X = numbers("x", "INT32", [2], [1, 2]);

export const method = (asked: GrpcAsked): string => asked.path.split("/")[2]!;
export const read = (asked: GrpcAsked | undefined) => runNow(decodeRequest(asked!.message, { limits }));

/** A server that answers each method in its own way; what it lacks is UNIMPLEMENTED. */
export type Methods = Readonly<Record<string, (asked: GrpcAsked) => PlayedAnswer>>;

export const just =
  (...messages: readonly Uint8Array[]) =>
  (): PlayedAnswer => ({ messages });
export const fails = (code: number, details: string) => (): PlayedAnswer => ({
  messages: [],
  status: { code, details },
});
export const absent = fails(12, "Method not found!");

export const serverNamed = (name: string, ...extensions: readonly string[]): Methods => ({
  ServerReady: just(spell([1, 1])),
  ServerMetadata: just(spell([1, name], [2, "1.2"], ...extensions.map((extension): SpelledField => [3, extension]))),
});

export function open(methods: Methods, dialect: OipGrpcDialect | "auto" = "triton") {
  const door = playedGrpcDoor((asked) => (methods[method(asked)] ?? absent)(asked));
  return { door, server: openOipGrpc(door, dialect) };
}

export const asked = (door: PlayedGrpcDoor): readonly string[] => door.asks.map(method);

/** ModelInferResponse of outputs with one byte each. */
export const answer = (...names: readonly string[]): Uint8Array =>
  spell(
    [1, "m"],
    [2, "3"],
    ...names.map((name): SpelledField => [5, spellTensor(name, "UINT8", [3, 1])]),
    ...names.map((_, i): SpelledField => [6, Uint8Array.of(i)]),
  );
export const part = (response: Uint8Array): Uint8Array => spell([2, response]);
export const wants = (...names: readonly string[]) => ({
  outputs: names.map((name) => ({ name, parameters: new Map() })),
});

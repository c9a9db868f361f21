// The contract of a front protocol: a table of routes over pure codecs, served by whoever owns the listener.

import type { ControlPlane } from "./backend.ts";
import type { Call, CallInit } from "./call.ts";
import type { Env } from "./env.ts";
import type { Code, InferError } from "./error.ts";
import type { Guards } from "./guard.ts";
import type { ModelMetadata, ModelStatus } from "./model.ts";
import type { OperatorPlane } from "./operator.ts";
import type { InferRequest, ModelRef } from "./request.ts";
import type { RouteReport } from "./route.ts";
import type { RunSliced } from "./run.ts";
import type { SageMakerFront } from "./sagemaker.ts";
import type { Service } from "./service.ts";
import type { Decision } from "./trace.ts";

export type { RunSliced } from "./run.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** A request as it came off the wire, whichever server took it. A call over gRPC is a POST without a query. */
export interface WireRequest {
  readonly method: string;
  /** The path without its query, as sent: `/package.Service/Method` over gRPC. */
  readonly path: string;
  /** The path's named parts, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Over gRPC the metadata, values of keys that end in `-bin` in base64. */
  readonly headers: ReadonlyMap<string, string>;
  readonly peer: string;
  /** When the request's head was read, on the monotonic clock, in milliseconds. */
  readonly arrivedAt: number;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** The caller's id and trace context, taken from its headers or made by the server. */
  readonly id: string;
  readonly traceparent: string;
  /** Milliseconds from `arrivedAt` that the caller waits, where the transport tells it (gRPC's `grpc-timeout`). */
  readonly timeoutMs?: number;
  /** Aborted when the listener begins to stop, for answers that have no end of their own. */
  readonly draining?: AbortSignal;
  /**
   * Whole, decompressed and within the limits; or its parts as they come, for routes that ask for a stream. Over gRPC the
   * one message that was sent, or the messages, each read from the wire only when it is asked for.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** On a stream over gRPC: says that a message of the body is done with, so that its bytes count as held no longer. */
  readonly release?: (message: Uint8Array) => void;
}

export interface WireReply {
  /** HTTP's status, or gRPC's (0 is OK). */
  readonly status: number;
  /** What gRPC says beside a status that is not OK; HTTP has its body for that. */
  readonly statusText?: string;
  /** Over gRPC the metadata before the messages; with a status that is not OK, that behind it. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * One buffer, several to be written one after the other, or parts pulled only as the socket drains. Over gRPC the one
   * message, in one or several buffers, or the messages; none of it goes out with a status that is not OK. A stream that
   * throws ends in what `fail` of the protocol makes of the error.
   */
  readonly body: Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>;
  trailers?(): Readonly<Record<string, string>>;
  /** Nobody reads the request's body any more once this is out: what it lies in may be used again. */
  readonly spent?: boolean;
  /** What the request's line in the log says beside status and time: model, version, code ... never tensor data. */
  readonly about?: Readonly<Record<string, unknown>>;
  /** When it is worthless, in milliseconds on the monotonic clock, and what goes out in its place from then on. */
  readonly late?: { readonly from: number; instead(): WireReply };
}

export interface Route {
  readonly method: Method;
  /**
   * `/v2/models/:model/infer`: a `:name` takes one path segment, and `:name:verb` one that ends in `:verb`. A `*` at the
   * end takes the rest. Over gRPC `/package.Service/Method`.
   */
  readonly path: string;
  /** What it does, in a few words, for the OpenAPI document. */
  readonly summary?: string;
  /** How the body is wanted; `whole` when absent. */
  readonly body?: "whole" | "stream";
  handle(wire: WireRequest, planes: Planes): Promise<WireReply>;
}

export interface Protocol {
  /** The label in metrics, logs and traces. */
  readonly name: string;
  readonly listener: "http" | "grpc";
  readonly routes: readonly Route[];
  /** Every path under one of these belongs to the protocol, so that its unknown paths get its own error shape. */
  readonly prefixes: readonly string[];
  /** Over gRPC: the FileDescriptorProtos of its services and of what they import, for clients that ask by reflection. */
  readonly descriptors?: readonly Uint8Array[];
  /** An error in the protocol's own shape; the one place where a code becomes a status. */
  fail(error: unknown): WireReply;
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
}

/** The protocols that share the paths under `/v1/models`. */
export type Dialect = "tf-serving" | "kserve-v1" | "torchserve";

/** What a protocol needs of the gateway to answer inference. */
export interface DataPlane {
  readonly infer: Service;
  /** @throws InferError not-found for an unknown model, version or label; unavailable when nobody can tell now */
  signature(model: ModelRef, signal: AbortSignal): Promise<ModelMetadata>;
  /** @throws InferError not-found for an unknown model */
  ready(model: ModelRef, signal: AbortSignal): Promise<boolean>;
  /** Every version known, ready or not, from old to new. @throws InferError not-found for an unknown model */
  versions(model: string): readonly ModelStatus[];
  /** Whose answers a model gives on paths that protocols share; undefined where each request tells. */
  dialect(model: string): Dialect | undefined;
  /**
   * Which way the request would take, decided by the same routers as for a real one; nothing is sent.
   *
   * @throws InferError not-found for an unknown model, version or label; what a router refuses
   */
  explain(request: InferRequest, call: Call): Promise<Explanation>;
  /** What the routers of a model have found out, such as how a shadow's answers differ. @throws InferError not-found */
  reports(model: string): readonly RouteReport[];
  live(): boolean;
  /** What `readiness` in the config asks for. */
  serverReady(): boolean;
  models(): readonly string[];
  serverMetadata(): ServerMetadata;
}

/** The way of a request down to the endpoint that would be asked now. */
export interface Explanation {
  readonly model: string;
  /** As in the trace of such a request, without what only its tensors or its answer can tell. */
  readonly decisions: readonly Decision[];
  /** What holds for it beside that: its time, cache, batches, tries, limits, and what keeps endpoints from work. */
  readonly applies: readonly Decision[];
  /** What the request would be refused with now; then the way goes as far as it can be told. */
  readonly refused: { readonly code: Code; readonly message: string } | undefined;
  /** Undefined where no version would: a fixed answer. */
  readonly version: string | undefined;
  /** Its id; undefined where chance or a queue decides, or nobody would be asked. */
  readonly endpoint: string | undefined;
  /** Where that version runs. */
  readonly targets: readonly ExplainedTarget[];
}

export interface ExplainedTarget {
  readonly backend: string;
  readonly model: string;
  readonly version?: string;
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainedEndpoint {
  readonly id: string;
  /** As far as its health and its guards let it be. */
  readonly available: boolean;
  readonly serves: boolean;
  /** Calls that could begin there now, over all models; absent where nothing limits them. */
  readonly free?: number;
  /** Calls that are there now. */
  readonly busy: number;
}

/** The limits that a decoder keeps to; from `limits` in the config. */
export interface DecodeLimits {
  readonly maxInputs: number;
  readonly maxNesting: number;
}

export interface Planes {
  readonly data: DataPlane;
  readonly control: ControlPlane;
  readonly operator: OperatorPlane;
  /** What keeps endpoints from work; nothing when absent. */
  readonly guards?: Guards;
  /** Absent where everything is read. */
  readonly crowds?: Crowds;
  /** The answers that are kept; none when absent. */
  readonly answers?: KeptAnswers;
  readonly env: Env;
  readonly run: RunSliced;
  readonly limits: DecodeLimits;
  /** What the config says to SageMaker's front; nothing when absent. */
  readonly sagemaker?: SageMakerFront;
  /** Absent where no model keeps answers. */
  readonly memo?: DecodeMemo;
  /** The heads of OIP's requests that were read before, and of its answers that were written; absent where none is kept. */
  readonly heads?: CodecMemory;
  /** The caller's tenant, where the config declares a trusted source of it. */
  tenant(headers: ReadonlyMap<string, string>): string | undefined;
  /** Whether the config lets this caller force a variant and see the way of its requests. */
  tester(caller: Caller): boolean;
}

/** What one codec remembers of what it has read, bounded: under a key it finds what it has kept there, or nothing. */
export interface CodecMemory {
  get(key: string): unknown;
  set(key: string, value: object): void;
}

/** What is asked, as far as it can be known unread: who asks which model. */
export interface Kind {
  readonly model: string;
  /** The version that was named, in any words; empty for none. */
  readonly version: string;
  readonly tenant: string;
}

/** Which kinds of requests are refused for want of room by the most part, so that more of them need not be read. */
export interface Crowds {
  /** False while there is none: then nothing has to be asked. */
  readonly any: boolean;
  /** Counts one that came, where its kind is a crowd. @returns why it is refused unread; undefined where it is to be read */
  refusal(kind: Kind): InferError | undefined;
  /** One that was read came to this fault, or to an answer. */
  ended(kind: Kind, fault: InferError | undefined): void;
}

/** What an operator may do with the answers that are kept. */
export interface KeptAnswers {
  /**
   * No answer that was kept or begun before is given again: those of a model, of a tenant there, or of all models.
   *
   * @throws InferError not-found for a model without a cache
   */
  purge(of: { readonly model?: string; readonly tenant?: string }): Promise<Purged>;
}

/** What a purge did. */
export interface Purged {
  /** Answers that were in this process's memory. */
  readonly answers: number;
  /** Whether the replicas' store has taken it; undefined without one. */
  readonly shared: boolean | undefined;
}

/**
 * Remembers what bodies were decoded to, of models that keep answers: a repeat of the same bytes is not decoded again, and its
 * inputs come without their bytes (`core/deferred.ts`) and with the digests that the cache needs.
 */
export interface DecodeMemo {
  /** Whether the model's requests may be remembered. */
  wants(model: string): boolean;
  /** A keyed digest of at least 128 bits over all that decoding depends on. */
  key(words: readonly string[], body: Uint8Array): string;
  /**
   * What was kept under the key. @param decode decodes the body after all, where its bytes are needed
   */
  find<D extends DecodedRequest>(key: string, decode: () => Promise<D>): D | undefined;
  /** Keeps all but the bytes of the inputs, if the cache has digested the request. */
  keep(key: string, decoded: DecodedRequest): void;
}

/** The part of what a decoder gives that the memo looks at; the rest is kept as it is and must be immutable. */
export interface DecodedRequest {
  readonly request: InferRequest;
}

/** What tells testers from other callers. */
export type Caller = Pick<Call, "peer" | "tenant">;

/** The part of a call that every front fills in the same way from what came off the wire. */
export function callInit(wire: WireRequest, planes: Planes, protocol: string): CallInit {
  const tenant = planes.tenant(wire.headers);
  return {
    id: wire.id,
    traceparent: wire.traceparent,
    clock: planes.env.clock,
    protocol,
    peer: wire.peer,
    headers: wire.headers,
    query: wire.query,
    startedAt: wire.arrivedAt,
    signal: wire.signal,
    ...(tenant === undefined ? {} : { tenant }),
  };
}

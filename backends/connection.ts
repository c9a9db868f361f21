// The contract between a kind of external server and what all kinds share: how one server is reached and what it can be asked.

import type { BackendModel, ControlPlane } from "../core/backend.ts";
import type { Call } from "../core/call.ts";
import type { Env } from "../core/env.ts";
import type { InferError } from "../core/error.ts";
import type { ModelMetadata, ModelStatus } from "../core/model.ts";
import type { RunSliced } from "../core/run.ts";
import type { Service } from "../core/service.ts";

/** What is said of a connection that ended under a request: who listens there next may be another server. */
export const BROKEN_OFF = "the backend broke the connection off";

/** One server of some kind, as its kind's file speaks to it. Every method throws InferErrors only. */
export interface Connection {
  /**
   * Runs the model that the request names: its name, version or label there. A version of "1" that `models` made up for
   * a server without versions must be left out on the wire.
   */
  readonly infer: Service;
  /**
   * Asks the server how it is.
   *
   * @returns what it says it is (`triton 2.51.0`); a change of it makes everything known about its models old
   * @throws InferError unavailable when it does not answer or says that it is not ready
   */
  health(signal: AbortSignal): Promise<string>;
  /**
   * The states of all models that the server can list, and of those in `wanted` at least. A model without versions has
   * the one version "1". A wanted model that the server does not know is left out.
   */
  models(wanted: readonly string[], signal: AbortSignal): Promise<readonly ModelStatus[]>;
  /**
   * The model's signature from the server itself.
   *
   * @throws InferError not-found for a model that it does not have, unsupported when such a server cannot tell
   */
  metadata(model: BackendModel, signal: AbortSignal): Promise<ModelMetadata>;
  readonly control?: ControlPlane;
  /**
   * How far the outputs that its answers name can be held to the model's signature; absent where answers name none, or are
   * read by the signature.
   */
  readonly naming?: Naming;
  /**
   * The server goes on with what was asked when its caller has gone: a call that nobody waits for any longer is not aborted,
   * and takes its place at the endpoint until it is answered.
   */
  readonly runsOn?: boolean;
  close(): Promise<void>;
}

/**
 * What the names of an answer's outputs are, where none were chosen: all that the signature has (`all`); none that it does
 * not have (`only`); or at least one that it has (`some`), of servers whose models may answer more than they tell.
 */
export type Naming = "all" | "only" | "some";

/** What a kind is given to open its connection to one server. */
export interface Door {
  /** The backend's name, and the endpoint's id (`backend/address`), for messages and traces. */
  readonly backend: string;
  readonly endpoint: string;
  /** Where the server is, as the config or the discovery has it. */
  readonly url: URL;
  readonly env: Env;
  /** Runs the codecs of large bodies without holding the event loop. */
  readonly run: RunSliced;
  /** Connections over HTTP, with the backend's TLS, timeouts and limits. One client is opened for each endpoint. */
  http(options?: HttpDoor): HttpClient;
  grpc(options?: GrpcDoor): GrpcClient;
  /** The model's signature: declared in the config, or told by the server before and kept. */
  signature(model: BackendModel, signal: AbortSignal): Promise<ModelMetadata>;
  /**
   * The headers to send with a call: those of the caller that the config lets pass, those that the config adds, and the
   * trace context. Names in lower case.
   */
  headers(call: Call | undefined): Readonly<Record<string, string>>;
}

export interface HttpDoor {
  /** Another server of the same host, as a management port; the endpoint's own URL when absent. */
  readonly url?: URL;
  /** Requests in flight on one connection; 1, because many servers cannot bear more. */
  readonly pipelining?: number;
}

export interface HttpAsk {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
  /** With its query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A large one is sent without being joined or copied. */
  readonly body?: Uint8Array | readonly Uint8Array[];
  /**
   * Whether it may be sent twice: `true` also lets it share a connection where pipelining is allowed, `false` keeps it
   * from being repeated even where that is thought safe (see `ask`), as for one step of a sequence.
   */
  readonly idempotent?: boolean;
}

/** Names in lower case; the first value of each but `set-cookie`. */
export type AnswerHeaders = ReadonlyMap<string, string>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Whole, inflated, within the limits. */
  readonly body: Uint8Array;
}

export interface HttpStream {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Pulled as it is read: a reader who stops stops the server. Ends with an InferError when the answer broke off. */
  readonly parts: AsyncIterable<Uint8Array>;
}

/** What a question needs of its caller: when to stop. A `Call` is one. */
export type Waiting = Pick<Call, "signal">;

/**
 * Speaks HTTP to one server. A status is an answer like any other: each kind reads it. Thrown is what kept an answer from
 * coming: `unavailable` (no connection, or it broke; retryable elsewhere), `bad-backend` (an answer that is no HTTP, too
 * large, badly packed, or whose headers or body did not come in time), or the abort reason of the signal.
 */
export interface HttpClient {
  /** A connection that was reused and broke before any byte of an answer is replaced once, free of charge. */
  ask(ask: HttpAsk, waiting: Waiting): Promise<HttpAnswer>;
  stream(ask: HttpAsk, waiting: Waiting): Promise<HttpStream>;
  close(): Promise<void>;
}

export interface GrpcDoor {
  /** Another server of the same host, as a gRPC port beside an HTTP one; the endpoint's own URL when absent. */
  readonly url?: URL;
  /** What a status and its text mean, where this kind of server means something else than gRPC does. */
  readonly faultOf?: (status: GrpcStatus) => InferError | undefined;
}

/** How a gRPC call ended. */
export interface GrpcStatus {
  /** 0 to 16. Source: grpc/grpc doc/statuscodes.md. */
  readonly code: number;
  readonly details: string;
  readonly trailers: AnswerHeaders;
}

export interface GrpcAsk {
  /** `/inference.GRPCInferenceService/ModelInfer`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A gRPC call whose two directions are open at once. */
export interface GrpcExchange {
  /** Sends one message; resolves when the transport takes more. */
  send(message: Uint8Array): Promise<void>;
  /** Says that no more messages come. */
  half(): void;
  /** Messages as they come, pulled as they are read; ends with an InferError when the status is not OK. */
  readonly messages: AsyncIterable<Uint8Array>;
  cancel(): void;
}

/** Speaks gRPC to one server in encoded messages. A status that is not OK is thrown as an InferError. */
export interface GrpcClient {
  /** The remaining time of a call goes along as its deadline. */
  unary(ask: GrpcAsk, message: Uint8Array, call: Waiting & { readonly deadline?: number }): Promise<Uint8Array>;
  exchange(ask: GrpcAsk, call: Waiting & { readonly deadline?: number }): GrpcExchange;
  close(): Promise<void>;
}

// A client of the gateway's gRPC listener that speaks in encoded messages, apart from the gateway's own client.

import { Client, type ClientDuplexStream, type ClientOptions, credentials, Metadata } from "@grpc/grpc-js";
import type { Hints } from "../../core/hints.ts";
import type { InferRequest } from "../../core/request.ts";
import { NO_PARAMETERS, type Parameters, type Tensor } from "../../core/tensor.ts";
import { decodeResponse, encodeRequest, type OipProtoResponse } from "../../wire/oip-proto.ts";
import { decodeStreamPart, type StreamPart } from "../../wire/oip-proto-stream.ts";
import { runNow } from "../../wire/sliced.ts";

export interface GrpcAnswer {
  readonly messages: readonly Buffer[];
  readonly code: number;
  readonly details: string;
  /** What stood before the messages. */
  readonly head: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
}

export interface GrpcQuestion {
  /** `ModelInfer` of the Open Inference Protocol, or a whole path. */
  readonly method: string;
  readonly messages: readonly Uint8Array[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export interface GrpcCaller {
  /** Sends every message, then half-closes, and resolves with the end of the call whatever it was. */
  ask(question: GrpcQuestion): Promise<GrpcAnswer>;
  /** A call whose messages the test sends and reads by hand. */
  open(question: Omit<GrpcQuestion, "messages">): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

const same = (bytes: Buffer) => bytes;
const PATIENCE_MS = 20_000;

/** A client of its own connection; `compression` is 1 for deflate and 2 for gzip. */
export function grpcCaller(port: number, options: ClientOptions & { readonly compression?: 1 | 2 } = {}): GrpcCaller {
  const { compression, ...rest } = options;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
    ...(compression === undefined ? {} : { "grpc.default_compression_algorithm": compression }),
    ...rest,
  });
  const open = ({ method, metadata = {}, timeoutMs = PATIENCE_MS }: Omit<GrpcQuestion, "messages">) => {
    const head = new Metadata();
    for (const [name, value] of Object.entries(metadata))
      head.set(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
    const path = method.startsWith("/") ? method : `/inference.GRPCInferenceService/${method}`;
    return client.makeBidiStreamRequest(path, same, same, head, { deadline: Date.now() + timeoutMs });
  };
  return {
    open,
    ask({ messages, ...question }) {
      const call = open(question);
      const received: Buffer[] = [];
      let head: Metadata | undefined;
      call.on("metadata", (metadata: Metadata) => {
        head = metadata;
      });
      call.on("data", (message: Buffer) => received.push(message));
      call.on("error", () => {});
      for (const message of messages) call.write(Buffer.from(message));
      call.end();
      return new Promise((resolve) => {
        call.on("status", ({ code, details, metadata }) => {
          resolve({ messages: received, code, details, head: textsOf(head), trailers: textsOf(metadata) });
        });
      });
    },
    close: () => client.close(),
  };
}

function textsOf(metadata: Metadata | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(metadata?.getMap() ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, `${value}`]));
}

/** A request of the Open Inference Protocol, encoded. */
export interface InferAsk {
  readonly model: string;
  readonly version?: string;
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  readonly outputs?: readonly string[];
  readonly parameters?: Parameters;
  readonly hints?: Omit<Hints, "id">;
  readonly contents?: "raw" | "typed";
  readonly emptyFinal?: boolean;
}

/** ModelInferRequest. */
export function inferMessage(ask: InferAsk): Buffer {
  const { model, version, id, contents = "raw", parameters = NO_PARAMETERS, hints, emptyFinal = false } = ask;
  const request: InferRequest = {
    model: { name: model, select: { by: "default" } },
    task: "infer",
    inputs: ask.inputs,
    parameters,
    stream: false,
    ...(ask.outputs === undefined ? {} : { outputs: ask.outputs.map((name) => ({ name, parameters: NO_PARAMETERS })) }),
  };
  const to = {
    model: { name: model, ...(version === undefined ? {} : { version }) },
    contents,
    emptyFinal,
    ...(id === undefined ? {} : { id }),
    ...(hints === undefined ? {} : { hints }),
  };
  return Buffer.from(runNow(encodeRequest(request, to)));
}

const LIMITS = { limits: { maxInputs: 1024, maxNesting: 100 } };

/** ModelInferResponse, read. */
export function inferAnswer(message: Uint8Array | undefined): OipProtoResponse {
  if (message === undefined) throw new Error("expected an answer, got none");
  return runNow(decodeResponse(message, LIMITS));
}

/** ModelStreamInferResponse, read. */
export function streamAnswer(message: Uint8Array | undefined): StreamPart {
  if (message === undefined) throw new Error("expected an answer, got none");
  return runNow(decodeStreamPart(message, LIMITS));
}

/** A tensor of INT32 of shape [n]. */
export function int32(name: string, ...values: readonly number[]): Tensor {
  return { name, datatype: "INT32", shape: [values.length], data: new Uint8Array(new Int32Array(values).buffer) };
}

/** The values of a tensor of INT32. */
export function ints(tensor: Tensor | undefined): readonly number[] {
  const bytes = Uint8Array.from(tensor?.data ?? []);
  return [...new Int32Array(bytes.buffer)];
}

// A server of the Open Inference Protocol over gRPC with one model, `line` (y = 3x + 1), on bare HTTP/2, which may do what no gRPC library does.

import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../wire/oip-json.ts";
import { decodeRequest, encodeResponse } from "../../wire/oip-proto.ts";
import { encodeModelMetadata, READY, SERVER_METADATA } from "../../wire/oip-proto-service.ts";
import { runNow } from "../../wire/sliced.ts";
import { line } from "./chaos-http.ts";
import { elements, type Plain, plain } from "./gateway-oip.ts";

/** One inference, and all that a fault needs to spoil its answer. */
export interface ChaosGrpcAsk {
  readonly stream: ServerHttp2Stream;
  readonly session: ServerHttp2Session;
  readonly id: string | undefined;
  readonly x: readonly number[];
  right(): void;
}

export type GrpcSpoil = (ask: ChaosGrpcAsk) => void;

export interface ChaosGrpcServer {
  readonly port: number;
  readonly asks: number;
  readonly checks: number;
  /** Connections that are open now. */
  readonly open: number;
  spoil(how: GrpcSpoil | undefined): void;
  close(): Promise<void>;
}

export async function startChaosGrpc(): Promise<ChaosGrpcServer> {
  const sessions = new Set<ServerHttp2Session>();
  let how: GrpcSpoil | undefined;
  let asks = 0;
  let checks = 0;
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const parts: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (bytes: Buffer) => parts.push(bytes));
    stream.on("end", () => {
      const method = String(headers[":path"]).split("/").at(-1) ?? "";
      if (method === "ServerReady") checks += 1;
      if (method !== "ModelInfer") return answerGrpc(stream, TOLD[method]);
      // the connection may have gone while the request came
      if (stream.session === undefined) return;
      asks += 1;
      const ask = askOf(stream, Buffer.concat(parts).subarray(5));
      return how === undefined ? ask.right() : how(ask);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { readonly port: number }).port,
    get asks() {
      return asks;
    },
    get checks() {
      return checks;
    },
    get open() {
      return sessions.size;
    },
    spoil(next) {
      how = next;
    },
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const SPEC = { datatype: "INT32", shape: [-1] } as const;
const METADATA = encodeModelMetadata({
  name: "line",
  version: "1",
  versions: ["1"],
  platform: "chaos",
  stateful: false,
  inputs: [{ name: "x", ...SPEC }],
  outputs: [{ name: "y", ...SPEC }],
});
const YES = READY.encode({ ready: true });

/** What it says of itself; what it lacks is UNIMPLEMENTED. */
const TOLD: Readonly<Record<string, Uint8Array>> = {
  ServerReady: YES,
  ServerMetadata: SERVER_METADATA.encode({ name: "chaos", version: "1", extensions: [] }),
  ModelMetadata: METADATA,
  ModelReady: YES,
};

/** Ends the stream with a message and OK, or without one and with the status. */
export function answerGrpc(stream: ServerHttp2Stream, message: Uint8Array | undefined, status = 12, text = "no"): void {
  if (stream.destroyed) return;
  const trailers = {
    "grpc-status": message === undefined ? String(status) : "0",
    ...(message === undefined ? { "grpc-message": text } : {}),
  };
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  if (message === undefined) return void stream.end();
  stream.end(framed(message));
}

/** A message of gRPC with its head: not compressed, its length. */
export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** The answer to `x` under an id. */
export function grpcAnswer(x: readonly number[], id: string | undefined, name = "y"): Uint8Array {
  const outputs = [plain(name, "INT32", [x.length], line(x))];
  const response = {
    kind: "whole",
    model: { name: "line", version: "1" },
    outputs,
    parameters: NO_PARAMETERS,
  } as const;
  return runNow(encodeResponse(response, { contents: "raw", ...(id === undefined ? {} : { id }) }));
}

function askOf(stream: ServerHttp2Stream, message: Uint8Array): ChaosGrpcAsk {
  const { hints, inputs } = runNow(decodeRequest(message, { limits }));
  const x = inputs[0] === undefined ? [] : elements(inputs[0] as Plain).map(Number);
  const { id } = hints;
  return {
    stream,
    session: stream.session as ServerHttp2Session,
    id,
    x,
    right: () => answerGrpc(stream, grpcAnswer(x, id)),
  };
}

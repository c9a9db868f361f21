// gRPC servers for tests: grpc-js's own, with raw bytes, and HTTP/2 by hand for what no gRPC server would say.

import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { GrpcClient } from "../../backends/connection.ts";
import { type GrpcClientOptions, openGrpcClient } from "../../backends/grpc-client.ts";
import { systemClock } from "../../gateway/env.ts";
import { fakeEnv } from "./fake-env.ts";

export interface GrpcUpstream {
  readonly url: URL;
  close(): Promise<void>;
}

export interface GrpcHandlers {
  readonly unary?: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;
  readonly exchange?: (call: ServerDuplexStream<Buffer, Buffer>) => void;
}

const raw = (bytes: Buffer) => bytes;

/** A server with `/test.Test/Unary` and `/test.Test/Exchange`. */
export async function grpcUpstream(
  handlers: GrpcHandlers,
  options: ServerOptions & { readonly credentials?: ServerCredentials; readonly port?: number } = {},
): Promise<GrpcUpstream> {
  const { credentials, port: wanted = 0, ...rest } = options;
  const server = new Server({ "grpc.max_receive_message_length": -1, ...rest });
  const codecs = { requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw };
  server.addService(
    {
      Unary: { path: "/test.Test/Unary", requestStream: false, responseStream: false, ...codecs },
      Exchange: { path: "/test.Test/Exchange", requestStream: true, responseStream: true, ...codecs },
    },
    {
      Unary:
        handlers.unary ??
        ((call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, call.request)),
      Exchange:
        handlers.exchange ??
        ((call: ServerDuplexStream<Buffer, Buffer>) => {
          call.on("data", (bytes: Buffer) => call.write(bytes));
          call.on("end", () => call.end());
        }),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${wanted}`, credentials ?? ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    url: new URL(`${credentials === undefined ? "http" : "https"}://127.0.0.1:${port}`),
    close: async () => server.forceShutdown(),
  };
}

/** An HTTP/2 server that answers each stream as the test says. */
export async function http2Upstream(answer: (stream: ServerHttp2Stream) => void): Promise<GrpcUpstream> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream as ServerHttp2Stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

/** A client with generous limits on the real clock, changed as the test wants it. */
export function testGrpcClient(url: URL, options: Partial<GrpcClientOptions> = {}): GrpcClient {
  return openGrpcClient({
    url,
    env: { ...fakeEnv(), clock: systemClock },
    connectTimeoutMs: 5_000,
    maxMessageBytes: 64 * 1024 * 1024,
    ...options,
  });
}

export const UNARY = { path: "/test.Test/Unary" };
export const EXCHANGE = { path: "/test.Test/Exchange" };

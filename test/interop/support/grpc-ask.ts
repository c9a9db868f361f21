// Asks a real server over gRPC in encoded messages and keeps what it answered.

import { Client, credentials, Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import type { GrpcQuestion } from "./questions.ts";

export interface GrpcAnswered {
  readonly responses: readonly Buffer[];
  readonly status: { readonly code: number; readonly details: string };
  readonly trailers: Readonly<Record<string, string>>;
}

const PATIENCE_MS = 30_000;
const same = (bytes: Buffer) => bytes;

/** One call; every call is sent as a stream, which on the wire a call of one message is too. */
export function grpcAsk(port: number, question: GrpcQuestion): Promise<GrpcAnswered> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const deadline = Date.now() + PATIENCE_MS;
  const call = client.makeBidiStreamRequest(question.path, same, same, new Metadata(), { deadline });
  const responses: Buffer[] = [];
  call.on("data", (message: Buffer) => responses.push(message));
  call.on("error", (_error: ServiceError) => {});
  for (const message of question.messages) call.write(Buffer.from(message, "base64"));
  call.end();
  return new Promise((resolve, reject) => {
    call.on("status", (ended: StatusObject) => {
      client.close();
      if (ended.code === status.DEADLINE_EXCEEDED) reject(new Error(`no end of ${question.name} in ${PATIENCE_MS} ms`));
      const trailers = Object.entries(ended.metadata.getMap()).map(([name, value]) => [name, `${value}`]);
      resolve({
        responses,
        status: { code: ended.code, details: ended.details },
        trailers: Object.fromEntries(trailers),
      });
    });
  });
}

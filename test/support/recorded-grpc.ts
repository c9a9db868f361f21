// A gRPC server that answers with the messages and statuses recorded from a real one.

import { Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { isHttp, type RecordedGrpc, recordings } from "./recorded-format.ts";

/** A call as it came: its path, its headers, and the messages so far. */
export interface AskedGrpc {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly messages: readonly Buffer[];
  /** Whether the client has left before the end. */
  readonly cancelled: boolean;
}

/** How a call goes wrong: no answer at all, another status at once, or the messages and then another status. */
export type GrpcFault =
  | { readonly fault: "hang" }
  | { readonly fault: "status"; readonly code: number; readonly details: string }
  | { readonly fault: "break"; readonly code: number; readonly details: string }
  | { readonly fault: "messages"; readonly messages: readonly Uint8Array[] };

export interface RecordedGrpcOptions {
  /** The name of the recording to answer with; the usual one when absent or undefined. */
  readonly answer?: (asked: AskedGrpc) => string | undefined;
  readonly fault?: (asked: AskedGrpc) => GrpcFault | undefined;
}

export interface RecordedGrpcServer {
  readonly port: number;
  readonly asked: readonly AskedGrpc[];
  close(): Promise<void>;
}

const same = (bytes: Buffer) => bytes;

/**
 * Answers once the client has said all it had to say: with the recording whose messages were asked, else with the first
 * of the list at that path.
 */
export async function startRecordedGrpc(kind: string, options: RecordedGrpcOptions = {}): Promise<RecordedGrpcServer> {
  const known = recordings(kind).filter((one) => !isHttp(one)) as RecordedGrpc[];
  const asked: AskedGrpc[] = [];
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  // on the wire a unary call is a stream of one message
  for (const path of new Set(known.map((one) => one.path))) {
    server.register(
      path,
      (call: ServerDuplexStream<Buffer, Buffer>) => {
        const messages: Buffer[] = [];
        const headers = Object.fromEntries(
          Object.entries(call.metadata.getMap()).map(([name, value]) => [name, `${value}`]),
        );
        const one = {
          path,
          headers,
          messages,
          get cancelled() {
            return call.cancelled;
          },
        };
        asked.push(one);
        call.on("data", (message: Buffer) => messages.push(message));
        call.on("error", () => {});
        call.on("end", () => respond(call, one, { known, options }));
      },
      same,
      same,
      "bidi",
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    asked,
    async close() {
      server.forceShutdown();
    },
  };
}

interface Given {
  readonly known: readonly RecordedGrpc[];
  readonly options: RecordedGrpcOptions;
}

function respond(call: ServerDuplexStream<Buffer, Buffer>, asked: AskedGrpc, given: Given): void {
  const fitting = given.known.filter((one) => one.path === asked.path);
  const name = given.options.answer?.(asked);
  const sent = asked.messages.map((message) => message.toString("base64")).join();
  const chosen =
    name === undefined
      ? (fitting.find((one) => one.requests.join() === sent) ?? fitting[0])
      : given.known.find((one) => one.name === name);
  const fault = given.options.fault?.(asked);
  if (fault?.fault === "hang") return;
  const messages = fault?.fault === "messages" ? fault.messages : (chosen?.responses ?? []);
  const ended = fault !== undefined && "code" in fault ? fault : (chosen?.status ?? NEVER);
  if (fault?.fault !== "status") {
    for (const one of messages) call.write(typeof one === "string" ? Buffer.from(one, "base64") : Buffer.from(one));
  }
  if (ended.code === status.OK) call.end();
  else fail(call, ended, chosen?.trailers);
}

const NEVER = { code: status.INTERNAL, details: "the test asks for what was never recorded" };

function fail(
  call: ServerDuplexStream<Buffer, Buffer>,
  ended: { readonly code: number; readonly details: string },
  trailers: Readonly<Record<string, string>> = {},
): void {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  call.emit("error", Object.assign(new Error(ended.details), { code: ended.code, details: ended.details, metadata }));
}

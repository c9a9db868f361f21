// A TCP server that answers HTTP requests with bytes as the test writes them, and counts what happens on each connection.

import { createServer, type Server, type Socket } from "node:net";

export interface UpstreamRequest {
  /** `POST /path HTTP/1.1`. */
  readonly line: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Which connection it came by, and which request of that connection it is; both from 1. */
  readonly connection: number;
  readonly nth: number;
  readonly socket: Socket;
}

export interface Upstream {
  readonly port: number;
  readonly url: URL;
  /** Connections ever accepted. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Requests whose head and body came whole, oldest first. */
  readonly requests: readonly UpstreamRequest[];
  close(): Promise<void>;
}

export interface UpstreamOptions {
  /** What speaks under HTTP; a plain TCP server when absent. */
  readonly listen?: (onSocket: (socket: Socket) => void) => Server;
  readonly scheme?: "http" | "https";
  /** Whether `requests` has them all, as when absent; a server of very many requests keeps none. */
  readonly keep?: boolean;
}

/** Starts the server on a free port of the loopback; `answer` is called for each whole request. */
export async function rawUpstream(
  answer: (request: UpstreamRequest) => void,
  options: UpstreamOptions = {},
): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const requests: UpstreamRequest[] = [];
  let connections = 0;
  const onSocket = (socket: Socket) => {
    connections += 1;
    const connection = connections;
    let nth = 0;
    let received: Buffer = Buffer.alloc(0);
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const found = parse(received);
        if (found === undefined) return;
        received = received.subarray(found.length);
        nth += 1;
        const request = { ...found.request, connection, nth, socket };
        if (options.keep !== false) requests.push(request);
        answer(request);
      }
    });
  };
  const server = (options.listen ?? ((listener) => createServer({ allowHalfOpen: true }, listener)))(onSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    url: new URL(`${options.scheme ?? "http"}://127.0.0.1:${port}`),
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    requests,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function parse(bytes: Buffer) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [line = "", ...rest] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = new Map<string, string>();
  for (const each of rest) {
    const colon = each.indexOf(":");
    headers.set(each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim());
  }
  const size = Number(headers.get("content-length") ?? 0);
  const from = end + 4;
  if (bytes.byteLength < from + size) return undefined;
  return { request: { line, headers, body: bytes.subarray(from, from + size) }, length: from + size };
}

/** `HTTP/1.1 200 OK` with a body of known length. */
export function okAnswer(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Buffer {
  const bytes = Buffer.from(body);
  const lines = Object.entries({ "content-length": String(bytes.byteLength), ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`), bytes]);
}

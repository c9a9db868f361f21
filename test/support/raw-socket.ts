// A TCP client that sends bytes as they are and reads HTTP answers off the socket one by one, trusting no HTTP library.

import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; the last value of each. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface RawSocket {
  send(bytes: string | Uint8Array): void;
  /** Ends our side only. */
  end(): void;
  /** Drops the connection at once, as a client that has crashed. */
  reset(): void;
  /** The next whole answer. Rejects when the connection ends before there is one. */
  answer(): Promise<RawAnswer>;
  /** Resolves once the server has ended the connection, with what was received and not yet read as an answer. */
  closed(): Promise<Buffer>;
  readonly socket: Socket;
}

/** How long one wait may take, in milliseconds: a server that hangs fails the test that waits, by name. */
const PATIENCE_MS = 15_000;

export async function rawSocket(port: number): Promise<RawSocket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let received: Buffer = Buffer.alloc(0);
  let over = false;
  let wake = () => {};
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  // a reset is an end like any other here: what matters is what came before it
  socket.on("error", () => {});
  socket.on("close", () => {
    over = true;
    wake();
  });
  const until = async <T>(what: string, found: () => T | undefined): Promise<T> => {
    const giveUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const value = found();
      if (value !== undefined) return value;
      const left = giveUpAt - performance.now();
      if (left <= 0) throw new Error(`no ${what} within ${PATIENCE_MS} ms; received ${JSON.stringify(`${received}`)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  return {
    socket,
    send: (bytes) => socket.write(bytes),
    end: () => socket.end(),
    reset: () => socket.resetAndDestroy(),
    answer: () =>
      until("answer", () => {
        const parsed = parseAnswer(received, over);
        if (parsed === undefined) {
          if (over) throw new Error(`the connection ended before an answer; received ${JSON.stringify(`${received}`)}`);
          return undefined;
        }
        received = received.subarray(parsed.length);
        return parsed.answer;
      }),
    closed: () => until("end of the connection", () => (over ? received : undefined)),
  };
}

interface Parsed {
  readonly answer: RawAnswer;
  readonly length: number;
}

function parseAnswer(bytes: Buffer, over: boolean): Parsed | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
  if (status === undefined) throw new Error(`expected a status line, got ${JSON.stringify(first)}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const from = headEnd + 4;
  const found = bodyOf(bytes.subarray(from), headers, { over, bodiless: status.startsWith("1") || status === "204" });
  if (found === undefined) return undefined;
  return { answer: { status: Number(status), headers, body: found.body }, length: from + found.length };
}

interface FoundBody {
  readonly body: Buffer;
  readonly length: number;
}

function bodyOf(
  rest: Buffer,
  headers: ReadonlyMap<string, string>,
  at: { readonly over: boolean; readonly bodiless: boolean },
): FoundBody | undefined {
  if (at.bodiless) return { body: Buffer.alloc(0), length: 0 };
  const declared = headers.get("content-length");
  if (declared !== undefined) {
    const length = Number(declared);
    return rest.byteLength < length ? undefined : { body: rest.subarray(0, length), length };
  }
  if (headers.get("transfer-encoding") === "chunked") return chunkedBody(rest);
  return at.over ? { body: rest, length: rest.byteLength } : undefined;
}

function chunkedBody(rest: Buffer): FoundBody | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (rest.byteLength < end + 2) return undefined;
    parts.push(rest.subarray(lineEnd + 2, end));
    at = end + 2;
    if (size === 0) return { body: Buffer.concat(parts), length: at };
  }
}

/** An HTTP/1.1 request as bytes; `host` is there, `content-length` follows from the body unless it is given. */
export function requestBytes(parts: {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}): Buffer {
  const body = Buffer.from(parts.body ?? "");
  const headers = new Map<string, string>([["host", "test"]]);
  if (body.byteLength > 0) headers.set("content-length", String(body.byteLength));
  for (const [name, value] of Object.entries(parts.headers ?? {})) headers.set(name.toLowerCase(), value);
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([
    Buffer.from(`${parts.method ?? "POST"} ${parts.path} HTTP/1.1\r\n${lines}\r\n`, "latin1"),
    body,
  ]);
}

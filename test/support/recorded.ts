// A server that answers with the bytes recorded from a real one, and that can be told to fail in the ways servers fail.

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { bodyOf, headOf } from "./http-message.ts";
import { answerBytes, bytesOf, isHttp, type RecordedHttp, recordings } from "./recorded-format.ts";

/** A question as it came. */
export interface AskedHttp {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** 1 for the first question on its connection. */
  readonly nth: number;
  /** Whether the client has left. */
  readonly cancelled: boolean;
}

/** How an answer goes wrong. */
export type Fault =
  /** The connection is reset before any byte, after the head, or after so many bytes of the body. */
  | { readonly fault: "reset"; readonly after: "nothing" | "head" | number }
  /** Half of the body comes, then the connection ends in good form. */
  | { readonly fault: "cut" }
  /** Nothing more comes, and the connection stays: before any byte, or after the head. */
  | { readonly fault: "hang"; readonly after: "nothing" | "head" }
  /** The bytes come one write at a time. */
  | { readonly fault: "drip"; readonly bytes: number }
  | { readonly fault: "delay"; readonly ms: number }
  /** The header is replaced, added, or taken away. */
  | { readonly fault: "header"; readonly name: string; readonly value: string | undefined }
  /** The same body with another status. */
  | { readonly fault: "status"; readonly status: number }
  /** Another body, under the same head but for its length. */
  | { readonly fault: "body"; readonly body: string | Uint8Array }
  /** The bytes come as they are given, and then the connection ends. */
  | { readonly fault: "raw"; readonly bytes: string | Uint8Array };

export interface RecordedOptions {
  /** The name of the recording to answer with; the usual one when absent or undefined. */
  readonly answer?: (asked: AskedHttp) => string | undefined;
  readonly fault?: (asked: AskedHttp) => Fault | undefined;
  /** Which of the real server's ports this one stands for: `http` when absent. */
  readonly port?: string;
}

export interface RecordedServer {
  readonly port: number;
  readonly url: string;
  /** Everything asked so far, in order. */
  readonly asked: readonly AskedHttp[];
  /** Connections taken so far, and those open now. */
  readonly connections: { readonly taken: number; readonly open: number };
  close(): Promise<void>;
}

/**
 * Answers by method and path: with the recording whose body was asked, else with the first of the list. A path that was
 * never recorded gets 599 and a text that names it, so that no test takes that for a server's answer.
 */
export async function startRecorded(kind: string, options: RecordedOptions = {}): Promise<RecordedServer> {
  const known = recordings(kind).filter(
    (one) => isHttp(one) && one.port === (options.port ?? "http"),
  ) as RecordedHttp[];
  const asked: AskedHttp[] = [];
  const open = new Set<Socket>();
  let taken = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    taken += 1;
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // clients may leave as they please
    socket.on("error", () => {});
    let received = Buffer.alloc(0);
    let nth = 0;
    let turn = Promise.resolve();
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const question = questionOf(received, nth + 1, socket);
        if (question === undefined) return;
        received = received.subarray(question.length);
        nth += 1;
        asked.push(question.asked);
        turn = turn.then(() => respond(socket, question.asked, { known, options }));
      }
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    asked,
    get connections() {
      return { taken, open: open.size };
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

interface Question {
  readonly asked: AskedHttp;
  readonly length: number;
}

function questionOf(bytes: Buffer, nth: number, socket: Socket): Question | undefined {
  const head = headOf(bytes);
  if (head === undefined) return undefined;
  const found = bodyOf(bytes.subarray(head.length), head);
  if (found === undefined) return undefined;
  const body = found === "untilClose" ? { body: Buffer.alloc(0), length: 0 } : found;
  const [method = "", path = ""] = head.first.split(" ");
  const asked: AskedHttp = {
    ...{ method, path, headers: head.headers, body: Buffer.from(body.body), nth },
    get cancelled() {
      return socket.destroyed;
    },
  };
  return { asked, length: head.length + body.length };
}

interface Given {
  readonly known: readonly RecordedHttp[];
  readonly options: RecordedOptions;
}

async function respond(socket: Socket, asked: AskedHttp, given: Given): Promise<void> {
  const fitting = given.known.filter((one) => one.request.method === asked.method && one.request.path === asked.path);
  const name = given.options.answer?.(asked);
  const chosen =
    name === undefined
      ? (fitting.find((one) => bytesOf(one.request.body).equals(asked.body)) ?? fitting[0])
      : given.known.find((one) => one.name === name);
  if (chosen === undefined) {
    const text = `${name ?? `${asked.method} ${asked.path}`} was never recorded`;
    socket.end(`HTTP/1.1 599 Not Recorded\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    return;
  }
  const fault = given.options.fault?.(asked);
  if (fault !== undefined) return await misanswer(socket, answerBytes(chosen), fault);
  for (const chunk of chosen.response.chunks) {
    socket.write(bytesOf(chunk));
    await new Promise(setImmediate);
  }
  if (chosen.response.afterwards === "closes") socket.end();
  if (chosen.response.afterwards === "resets") setImmediate(() => socket.resetAndDestroy());
}

async function misanswer(socket: Socket, answer: Buffer, fault: Fault): Promise<void> {
  const head = answer.subarray(0, headOf(answer)?.length ?? 0);
  const body = answer.subarray(head.byteLength);
  switch (fault.fault) {
    case "reset": {
      const bytes =
        { nothing: 0, head: head.byteLength }[fault.after as string] ?? head.byteLength + Number(fault.after);
      if (bytes > 0) await sent(socket, answer.subarray(0, bytes));
      socket.resetAndDestroy();
      return;
    }
    case "cut":
      socket.end(answer.subarray(0, head.byteLength + (body.byteLength >> 1)));
      return;
    case "hang":
      if (fault.after === "head") socket.write(head);
      return;
    case "drip":
      for (let at = 0; at < answer.byteLength && !socket.destroyed; at += fault.bytes) {
        await sent(socket, answer.subarray(at, at + fault.bytes));
      }
      return;
    case "delay":
      await pause(fault.ms);
      socket.write(answer);
      return;
    case "header":
      socket.write(Buffer.concat([withHeader(head, fault.name, fault.value), body]));
      return;
    case "status":
      socket.write(
        Buffer.from(answer.toString("latin1").replace(/^(HTTP\/1\.\d) \d{3}/, `$1 ${fault.status}`), "latin1"),
      );
      return;
    case "body": {
      const other = Buffer.from(fault.body);
      const plain = withHeader(
        withHeader(head, "transfer-encoding", undefined),
        "content-length",
        `${other.byteLength}`,
      );
      socket.write(Buffer.concat([plain, other]));
      return;
    }
    case "raw":
      socket.end(fault.bytes);
      return;
    default:
      throw new Error(`unknown fault ${JSON.stringify(fault satisfies never)}`);
  }
}

/** Resolves when the bytes have left for the kernel, so that a reset does not take them along. */
async function sent(socket: Socket, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => socket.write(bytes, () => setImmediate(resolve)));
}

function withHeader(head: Buffer, name: string, value: string | undefined): Buffer {
  const lines = head.toString("latin1").split("\r\n").slice(0, -2);
  const others = lines.filter((line, index) => index === 0 || !line.toLowerCase().startsWith(`${name}:`));
  const added = value === undefined ? others : [...others, `${name}: ${value}`];
  return Buffer.from(`${added.join("\r\n")}\r\n\r\n`, "latin1");
}

// Asks a real server over a bare socket and keeps every byte of its answer as it came.

import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { bodyOf, headOf } from "../../support/http-message.ts";

export interface RawQuestion {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface RawAnswered {
  readonly chunks: readonly Buffer[];
  readonly afterwards: "keeps" | "closes" | "resets";
}

/** How long an answer may take, and how long is waited for what the server does with the connection after it. */
const PATIENCE_MS = 30_000;
const AFTER_MS = 500;

/** One question on a connection of its own; `host: server`, and its body's length, are added to its headers. */
export async function rawAsk(port: number, question: RawQuestion): Promise<RawAnswered> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const chunks: Buffer[] = [];
  let afterwards: RawAnswered["afterwards"] = "keeps";
  let over = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("end", () => {
    afterwards = "closes";
    over = true;
  });
  socket.on("error", () => {
    afterwards = "resets";
    over = true;
  });
  const headers = Object.entries({ host: "server", ...lengthOf(question), ...question.headers });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(
    Buffer.concat([Buffer.from(`${question.method} ${question.path} HTTP/1.1\r\n${lines}\r\n`), question.body]),
  );
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!over && !isWhole(Buffer.concat(chunks), question.method)) {
    if (performance.now() > giveUpAt) {
      socket.destroy();
      throw new Error(
        `no whole answer to ${question.method} ${question.path} in ${PATIENCE_MS} ms: ${Buffer.concat(chunks)}`,
      );
    }
    await pause(5);
  }
  if (!over) await pause(AFTER_MS);
  socket.destroy();
  return { chunks, afterwards };
}

function lengthOf(question: RawQuestion): Readonly<Record<string, string>> {
  return question.method === "GET" ? {} : { "content-length": `${question.body.byteLength}` };
}

function isWhole(bytes: Buffer, method: string): boolean {
  const head = headOf(bytes);
  if (head === undefined) return false;
  if (method === "HEAD" || / (204|304) ?/.test(head.first)) return true;
  const body = bodyOf(bytes.subarray(head.length), head);
  return body !== undefined && body !== "untilClose";
}

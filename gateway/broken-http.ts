// The answer to bytes that are not HTTP, or not in time: the parser's error as a status, then the connection ends.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Status and text for the codes of Node's HTTP parser; everything else is a 400. */
const ANSWERS: Readonly<Record<string, readonly [status: string, text: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the request's head is larger than this server takes"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request was not whole in time"],
  HPE_INVALID_EOF_STATE: ["400 Bad Request", "the request ended in its middle"],
};

/** The requests of one connection that have no whole answer yet, oldest first. */
export type Unanswered = WeakMap<Socket, Pending[]>;

interface Pending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Answers once, and only where the answer cannot be taken for another request's: nothing is unanswered on the
 * connection, or it is the broken request itself. Otherwise the connection is cut.
 */
export function answerBrokenHttp(error: NodeJS.ErrnoException, socket: Socket, unanswered: Unanswered): void {
  const pending = unanswered.get(socket) ?? [];
  const own = pending.length === 1 && pending[0]?.request.complete === false && !pending[0].response.headersSent;
  if (error.code === "ECONNRESET" || !socket.writable || socket.destroyed || (pending.length > 0 && !own)) {
    socket.destroy(error);
    return;
  }
  const [status, text] = ANSWERS[error.code ?? ""] ?? ["400 Bad Request", "the bytes received are not valid HTTP/1.1"];
  const body = JSON.stringify({ error: text });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nsluice-error-origin: client\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

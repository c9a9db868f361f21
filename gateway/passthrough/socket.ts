// The client's side of a WebSocket that is passed through, which tells nobody where the server is.

import { WebSocket } from "ws";

/** The code for a fault of the server's side. Source: RFC 6455, 7.4.1. */
const SERVER_FAULT = 1011;

/** A WebSocket whose last words about a fault name no address: those of Node's own errors do. */
export class QuietSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, code === SERVER_FAULT ? "the server behind this path cannot be reached" : reason);
  }
}

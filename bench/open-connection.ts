// One connection of the open-loop client: a request, its answer, and the next one.

import { connect } from "node:net";
import { readHead } from "./load.ts";

/** What becomes of a request beside a status of HTTP: its connection failed, or its client left. */
export const NO_ANSWER = 0;
export const GAVE_UP = 1;

export interface OpenConnection {
  /** One at a time. `done` is called once: with the answer's status, or with why there is none. */
  exchange(request: Uint8Array, done: (status: number) => void): void;
  /** Ends it; what is under way gets this status. */
  leave(status: number): void;
}

/** Who hears what became of a connection. */
export interface Closed {
  /** The answer has come, and the connection may be used again. */
  idle(): void;
  closed(): void;
}

const HEAD_END = Buffer.from("\r\n\r\n");

export function openConnection(port: number, heard: Closed): OpenConnection {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let done: ((status: number) => void) | undefined;
  let status: number | undefined;
  let closes = false;
  let early: Buffer = Buffer.alloc(0);
  let left = 0;
  let over = false;

  const settle = (said: number) => {
    const waiting = done;
    done = undefined;
    status = undefined;
    waiting?.(said);
  };
  const leave = (said: number) => {
    if (over) return;
    over = true;
    socket.destroy();
    heard.closed();
    settle(said);
  };
  const answered = (said: number) => {
    if (closes) return leave(said);
    // before the client hears of it: it may send the next one at once
    heard.idle();
    settle(said);
  };
  socket.on("data", (chunk: Buffer) => {
    if (done === undefined) return leave(NO_ANSWER);
    let body = chunk;
    if (status === undefined) {
      const text = early.byteLength === 0 ? chunk : Buffer.concat([early, chunk]);
      const at = text.indexOf(HEAD_END);
      early = at === -1 ? text : Buffer.alloc(0);
      if (at === -1) return;
      const head = readHead(text.toString("latin1", 0, at));
      status = head.status;
      closes = head.closes;
      left = head.length;
      body = text.subarray(at + HEAD_END.byteLength);
    }
    left -= body.byteLength;
    if (left <= 0) answered(status);
  });
  socket.on("error", () => leave(NO_ANSWER));
  socket.on("close", () => leave(NO_ANSWER));
  return {
    exchange(request, then) {
      done = then;
      if (over) settle(NO_ANSWER);
      else socket.write(request);
    },
    leave,
  };
}

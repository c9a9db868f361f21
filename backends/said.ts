// What a server says of a fault, as callers may read it, and whole for the log.

import { type InferError, restated } from "../core/error.ts";
import type { HttpAnswer } from "./connection.ts";

/** The longest text of a server that is passed on. */
const MAX_SAID = 500;
/** The longest text that is kept behind a fault. */
const MAX_BEHIND = 4000;

/** Where the stack of a server begins: Python's, that of Triton's Python models, Java's and Node's. */
const STACK =
  /\s*(Traceback \(most recent call last\)|\n\s*At:|\n?\s*File "[^"]*", line \d|\n\s*at [^\n]*:\d+)[\s\S]*$/;

/** URLs, IP addresses, and names of machines with their port. `x:0` is a tensor's name. */
const ADDRESS =
  /\b(?:https?|grpc|tcp|dns|ipv[46]|unix):\S+|\[[\da-f]*:[\da-f:]*\](?::\d{1,5})?|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\b(?:localhost|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}):\d{2,5}\b/gi;

/** A server's text on one line, without its stack and without addresses, of at most 500 characters. */
export function trimText(text: string): string {
  const line = text.replace(STACK, "").replace(ADDRESS, "").replace(/\s+/g, " ").trim();
  return line.length <= MAX_SAID ? line : `${line.slice(0, MAX_SAID - 3)}...`;
}

/** The fault with the whole of the answer behind it, of which its message tells only what concerns its caller. */
export function withAnswer(fault: InferError, { status, body }: HttpAnswer): InferError {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, MAX_BEHIND)).toString("utf8");
  return restated(fault, { cause: new Error(`HTTP status ${status}: ${text}`, { cause: fault.cause }) });
}

// Sends a WireReply over gRPC: its metadata, its messages as the reader takes them, and its status.

import { asInferError, InferError } from "../../core/error.ts";
import type { Protocol, WireReply } from "../../core/protocol.ts";
import type { GrpcCall } from "./call.ts";

export interface Sending {
  /** Metadata of the gateway's own, beside the reply's. */
  readonly own: Readonly<Record<string, string>>;
  /** The largest message that is sent. */
  readonly maxBytes: number;
  readonly fail: Protocol["fail"];
}

/** Bytes of the longest text beside a status: three times that, as it is sent, fits the 8 KiB that clients take. */
const TEXT_BYTES = 2000;

/** Sends it, and resolves with how the call ended: the reply itself, or what became of it on the way. Never throws. */
export async function sendReply(call: GrpcCall, reply: WireReply, sending: Sending): Promise<WireReply> {
  try {
    if (reply.status === 0) await sendMessages(call, reply, sending);
    finish(call, reply, sending);
    return reply;
  } catch (error) {
    const fault = asInferError(error);
    const failed = sending.fail(fault);
    finish(call, failed, sending);
    const said = { code: fault.code, origin: fault.origin, error: fault.message };
    return { ...failed, about: { ...reply.about, ...failed.about, ...said } };
  }
}

async function sendMessages(call: GrpcCall, reply: WireReply, sending: Sending): Promise<void> {
  const { body, headers } = reply;
  if (!isStream(body)) {
    const message = joined(body);
    checkSize(message, sending);
    call.head({ ...headers, ...sending.own });
    await call.send(message);
    return;
  }
  call.head({ ...headers, ...sending.own });
  for await (const message of body) {
    checkSize(message, sending);
    await call.send(message);
    // the next one is not even asked for
    if (call.signal.aborted) return;
  }
}

function finish(call: GrpcCall, reply: WireReply, { own }: Sending): void {
  const failed = reply.status !== 0;
  const metadata = failed ? { ...reply.headers, ...own, ...reply.trailers?.() } : (reply.trailers?.() ?? {});
  call.end({ code: reply.status, text: trimmed(reply.statusText ?? ""), metadata });
}

function isStream(body: WireReply["body"]): body is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in body;
}

function joined(body: Uint8Array | readonly Uint8Array[]): Uint8Array {
  if (body instanceof Uint8Array) return body;
  const [only, ...more] = body;
  return only !== undefined && more.length === 0 ? only : Buffer.concat(body);
}

function checkSize({ byteLength }: Uint8Array, { maxBytes }: Sending): void {
  if (byteLength <= maxBytes) return;
  const text = `expected an answer of at most ${maxBytes} bytes (limits.message), got ${byteLength}`;
  throw new InferError("too-large", text, { origin: "gateway" });
}

/** Well-formed, as the library percent-encodes it and throws for half a surrogate pair. */
function trimmed(text: string): string {
  const whole = text.toWellFormed();
  if (Buffer.byteLength(whole) <= TEXT_BYTES) return whole;
  return `${Buffer.from(whole)
    .subarray(0, TEXT_BYTES)
    .toString()
    .replace(/\uFFFD$/, "")}...`;
}

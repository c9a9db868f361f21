// ModelStreamInfer: any number of requests on one stream, to any models, answered as Triton does.

import { asInferError, InferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import { exchange } from "../exchange.ts";
import { OK } from "../grpc-status.ts";
import { type HandOff, openHandOff } from "./hand-off.ts";
import { openSequences, type Sequences } from "./sequences.ts";
import { partsOf, streamCodec } from "./stream-codec.ts";

/** Requests of one stream in work at once; the next ones wait on the wire. */
const MAX_IN_WORK = 64;

/**
 * Whole answers come in the order of their requests, streams of answers as they come, beside each other. A request that
 * fails is answered with its error and its id, and the stream goes on; with the metadata `triton_grpc_error: true` the
 * first error ends it with its status.
 */
export async function streamInfer(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return { status: OK, headers: {}, body: answers(wire, planes) };
}

interface Stream {
  readonly wire: WireRequest;
  readonly planes: Planes;
  readonly out: HandOff<Uint8Array>;
  readonly sequences: Sequences;
  /** The first error ends the stream. */
  readonly strict: boolean;
  readonly inWork: Set<Promise<void>>;
  /** Called when a request is no longer in work. */
  freed(): void;
  /** Requests so far. */
  count: number;
  /** Resolves when the whole answers to all requests so far are out. */
  line: Promise<void>;
}

async function* answers(wire: WireRequest, planes: Planes): AsyncGenerator<Uint8Array> {
  // the client's leaving and the end of this generator are one signal for all requests
  const life = new AbortController();
  const onLeave = () => life.abort(wire.signal.reason);
  if (wire.signal.aborted) onLeave();
  else wire.signal.addEventListener("abort", onLeave, { once: true });
  const stream: Stream = {
    wire: { ...wire, signal: life.signal },
    planes,
    out: openHandOff(),
    sequences: openSequences(),
    strict: wire.headers.get("triton_grpc_error") === "true",
    inWork: new Set(),
    freed() {},
    count: 0,
    line: Promise.resolve(),
  };
  // goes on until the messages end: with the call, at the latest
  void readAll(stream);
  try {
    yield* stream.out.values;
  } finally {
    wire.signal.removeEventListener("abort", onLeave);
    life.abort(new InferError("cancelled", "the stream has ended"));
  }
}

/** Takes up each request as it comes, a bounded number at once. Never throws. */
async function readAll(stream: Stream): Promise<void> {
  const { wire, out, inWork } = stream;
  try {
    for await (const message of wire.body as AsyncIterable<Uint8Array>) {
      stream.count += 1;
      const work: Promise<void> = answerOne(stream, message).finally(() => {
        inWork.delete(work);
        stream.freed();
      });
      inWork.add(work);
      if (inWork.size >= MAX_IN_WORK) await freePlace(stream);
      if (wire.signal.aborted) break;
    }
    await Promise.all(inWork);
    out.end();
  } catch (error) {
    out.end(error);
  }
}

function freePlace(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.freed = resolve;
  });
}

/** Answers one request. Never throws. */
async function answerOne(stream: Stream, message: Uint8Array): Promise<void> {
  const { wire, planes, out, strict } = stream;
  const before = stream.line;
  let pass = () => {};
  stream.line = new Promise((resolve) => {
    pass = resolve;
  });
  const id = `${wire.id}.${stream.count}`;
  const arrivedAt = planes.env.clock.now();
  const own = { ...wire, id, arrivedAt, body: message, ...timeLeft(wire, arrivedAt) };
  const turn = stream.sequences.enter();
  const codec = streamCodec({ turn, strict });
  try {
    const reply = await exchange(own, planes, codec);
    await before;
    say(stream, own, reply);
    if (reply.status !== OK) out.end(codec.fault());
    else if (reply.body instanceof Uint8Array) await out.put(reply.body);
    else {
      // its answers come when they come: those behind need not wait
      pass();
      for await (const part of partsOf(reply)) if (!(await out.put(part))) break;
    }
  } catch (error) {
    out.end(asInferError(error));
  } finally {
    pass();
    turn.leave();
    wire.release?.(message);
  }
}

/** The caller's time is the stream's. */
function timeLeft({ timeoutMs, arrivedAt }: WireRequest, now: number): { readonly timeoutMs?: number } {
  return timeoutMs === undefined ? {} : { timeoutMs: timeoutMs - (now - arrivedAt) };
}

/** A line in the log for each request, as other calls have. */
function say({ planes }: Stream, own: Pick<WireRequest, "id" | "path" | "arrivedAt">, { about }: WireReply): void {
  const { log, clock } = planes.env;
  const ms = Math.round((clock.now() - own.arrivedAt) * 1000) / 1000;
  const fields = { id: own.id, path: own.path, ms, ...about };
  if (about?.origin === undefined || about.origin === "client") log.info(fields, "request");
  else log.warn(fields, "request");
}

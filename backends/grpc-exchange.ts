// The two shapes of a gRPC call over one wire: a question with its answer, and an exchange of messages at the reader's pace.

import { InferError } from "../core/error.ts";
import type { GrpcAsk, GrpcExchange, Waiting } from "./connection.ts";

/** Who waits, and until when on the monotonic clock, in milliseconds. */
export type Asking = Waiting & { readonly deadline?: number };

/** A call to be started, and who hears of it. */
export interface Start {
  readonly ask: GrpcAsk;
  readonly call: Asking;
  /** One message for each `read`. */
  onMessage(message: Uint8Array): void;
  /** Once, after the last message: undefined when the status is OK. Never before the call was begun. */
  onEnd(fault: InferError | undefined): void;
}

/** One call on the wire. Everything but `end` does nothing once it is over. */
export interface Wire {
  read(): void;
  /** Calls back when the transport takes more; not at all when the call ends before. */
  send(message: Uint8Array, sent: () => void): void;
  half(): void;
  end(reason: InferError): void;
}

/** @throws InferError unavailable when the client is closed */
export type Begin = (start: Start) => Wire;

export interface Once {
  readonly ask: GrpcAsk;
  readonly call: Asking;
  readonly message: Uint8Array;
}

/** A call with one message each way. */
export function askOnce(begin: Begin, { ask, call, message }: Once): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let answer: Uint8Array | undefined;
    const wire = begin({
      ask,
      call,
      onMessage(received) {
        // a second answer is no unary call
        if (answer !== undefined)
          return wire.end(new InferError("bad-backend", "the backend sent more than one answer"));
        answer = received;
        return wire.read();
      },
      onEnd(fault) {
        if (fault !== undefined) reject(fault);
        else if (answer === undefined) reject(new InferError("bad-backend", "the backend sent no answer"));
        else resolve(answer);
      },
    });
    wire.read();
    wire.send(message, () => {});
    wire.half();
  });
}

/** A call whose directions are open at once. */
export function openExchange(begin: Begin, ask: GrpcAsk, call: Asking): GrpcExchange {
  let over: { fault: InferError | undefined } | undefined;
  let wanted: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: InferError): void } | undefined;
  let sending: Promise<void> = Promise.resolve();
  let giveUp = () => {};

  const wire = begin({
    ask,
    call,
    onMessage(value) {
      const waiter = wanted;
      wanted = undefined;
      waiter?.resolve({ done: false, value });
    },
    onEnd(fault) {
      over = { fault };
      const waiter = wanted;
      wanted = undefined;
      if (waiter !== undefined) settle(waiter);
      giveUp();
    },
  });
  const settle = (waiter: NonNullable<typeof wanted>) => {
    const fault = over?.fault;
    // told once: whoever goes on reading is at the end
    if (over !== undefined) over = { fault: undefined };
    if (fault === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(fault);
  };
  const cancel = () => wire.end(new InferError("cancelled", "the reader stopped before the end of the answer"));
  const iterator: AsyncIterator<Uint8Array> = {
    next: () =>
      new Promise((resolve, reject) => {
        if (over !== undefined) return settle({ resolve, reject });
        wanted = { resolve, reject };
        return wire.read();
      }),
    return() {
      if (over === undefined) {
        over = { fault: undefined };
        cancel();
      }
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  const sendOne = (message: Uint8Array) =>
    new Promise<void>((resolve) => {
      if (over !== undefined) return resolve();
      // what is not sent when the call ends is never sent: the messages tell why
      giveUp = resolve;
      return wire.send(message, resolve);
    });
  return {
    // one after the other: grpc-js keeps only one message while it connects
    send: (message) => {
      sending = sending.then(() => sendOne(message));
      return sending;
    },
    half() {
      void sending.then(() => wire.half());
    },
    messages: { [Symbol.asyncIterator]: () => iterator },
    cancel,
  };
}

// Reads the messages of a call over gRPC within the budget for all bytes in flight.

import { invalid } from "../../core/error.ts";
import type { WireRequest } from "../../core/protocol.ts";
import type { Holding } from "../budget.ts";
import type { Intake } from "../intake.ts";
import type { GrpcCall } from "./call.ts";

export interface Reading {
  readonly holding: Holding;
  readonly intake: Intake;
}

/**
 * The one message of a call that has one.
 *
 * @throws InferError invalid-argument for none or several, overloaded beyond the budget, or the reason why the call is over
 */
export async function readMessage(call: GrpcCall, reading: Reading): Promise<Uint8Array> {
  const message = await next(call, reading);
  if (message === undefined) throw invalid(`${call.path}: expected one message, got none`);
  if ((await call.next()) !== undefined) throw invalid(`${call.path}: expected one message, got more`);
  return message;
}

/** The messages of a call that has any number of them, each read when it is asked for. */
export function readMessages(call: GrpcCall, reading: Reading): Pick<WireRequest, "body" | "release"> {
  return {
    body: messages(call, reading),
    release: (message) => reading.holding.shrink(message.byteLength),
  };
}

async function* messages(call: GrpcCall, reading: Reading): AsyncGenerator<Uint8Array> {
  for (;;) {
    const message = await next(call, reading);
    if (message === undefined) return;
    yield message;
  }
}

async function next(call: GrpcCall, { holding, intake }: Reading): Promise<Uint8Array | undefined> {
  const message = await call.next();
  if (message === undefined) return undefined;
  holding.grow(message.byteLength);
  if (intake.took(message.byteLength)) await intake.nextTurn();
  return message;
}

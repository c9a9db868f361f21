// What the unit tests of the codecs share: a request decoded at once, and a fault as one line.

import { InferError } from "../../../core/error.ts";
import { decodeRequest, type OipRequest } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";

/** A request's body read at once. */
export function decode(text: string | Buffer, headerLength?: number): OipRequest {
  return runNow(decodeRequest(Buffer.from(text), { limits, ...(headerLength === undefined ? {} : { headerLength }) }));
}

/** The JSON of a request with one input named x, whose other members are given. */
export const input = (rest: string): string => `{"inputs":[{"name":"x",${rest}}]}`;

/** The code and text of the error that a piece of work throws. */
export function fault(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no error";
}

// Ids for requests of the Open Inference Protocol, by which an answer that is another request's is told.

import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";

/** The ids of one connection. */
export interface Ids {
  /** One that no other request has. */
  next(): string;
  /**
   * Holds the id of an answer to the one that was sent. A server that makes up ids of its own says nothing by them; one
   * that has echoed an id once is held to it from then on.
   *
   * @throws InferError bad-backend, to be tried elsewhere, for the answer to another request
   */
  check(sent: string, got: string | undefined): void;
}

/** Digits of what tells this connection's ids from those of others: 36^8 is 2.8e12. */
const DIGITS = 8;

export function openIds({ random }: Pick<Env, "random">): Ids {
  const own = `${Math.floor(random() * 36 ** DIGITS).toString(36)}-`;
  let count = 0;
  let echoes = false;
  return {
    next() {
      count += 1;
      return own + count.toString(36);
    },
    check(sent, got) {
      if (got === sent) {
        echoes = true;
        return;
      }
      if (got === undefined || got === "" || !(echoes || got.startsWith(own))) return;
      throw new InferError("bad-backend", "the backend's answer has the id of another request");
    },
  };
}

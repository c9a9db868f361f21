// The budget for all bytes of requests in flight, so that many large bodies are refused before they fill the memory.

import { InferError } from "../core/error.ts";
import { openKeptBuffers } from "../core/kept-buffers.ts";

/** Of rooms that wait for their next use: a fresh one has each of its pages faulted in, which costs more than filling it. */
const MOST_KEPT_BYTES = 32 * 1024 * 1024;

export interface Budget {
  readonly usedBytes: number;
  readonly maxBytes: number;
  /**
   * A holding of no bytes yet, to be grown as bytes come and released once. One for `pieces` of what is asked for elsewhere
   * is not refused for any other reason than want of room.
   */
  open(of?: "whole" | "pieces"): Holding;
}

export interface Holding {
  /** @throws InferError overloaded when the bytes do not fit beside what others hold */
  grow(bytes: number): void;
  /** Room for so many bytes of it, at their very length: what lies there is of no meaning. One at most for each holding. */
  room(bytes: number): Buffer;
  /** Gives some of it back before the rest. */
  shrink(bytes: number): void;
  /**
   * Gives everything back; more calls do nothing.
   *
   * @param spent whether nobody reads its room any more, which is then used again; whoever reads there all the same finds nothing
   */
  release(spent?: boolean): void;
}

/**
 * @param refusal why a request that has just come is refused, where it is; it hears whether others are held. Asked once for
 * each body, before any of it is taken
 */
export function openBudget(
  maxBytes: number,
  refusal: (others: boolean) => InferError | undefined = () => undefined,
): Budget {
  let used = 0;
  const rooms = openKeptBuffers(Math.min(MOST_KEPT_BYTES, maxBytes));
  return {
    get usedBytes() {
      return used;
    },
    maxBytes,
    open(of = "whole") {
      let held = 0;
      let released = false;
      let lent: ArrayBuffer | undefined;
      return {
        grow(bytes) {
          const refused = of === "whole" && held === 0 && !released ? refusal(used > 0) : undefined;
          if (refused !== undefined) throw refused;
          if (used + bytes > maxBytes) {
            throw new InferError(
              "overloaded",
              `the gateway holds ${used} of at most ${maxBytes} bytes of requests, ${bytes} more do not fit`,
              { retryAfterMs: 1000 },
            );
          }
          if (released) return;
          used += bytes;
          held += bytes;
        },
        room(bytes) {
          lent = rooms.take(bytes);
          return Buffer.from(lent, 0, bytes);
        },
        shrink(bytes) {
          const given = Math.min(bytes, held);
          used -= given;
          held -= given;
        },
        release(spent = false) {
          if (spent && lent !== undefined) rooms.keep(lent.transfer());
          lent = undefined;
          released = true;
          used -= held;
          held = 0;
        },
      };
    },
  };
}

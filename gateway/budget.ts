// The budget for all bytes of requests in flight, so that many large bodies are refused before they fill the memory.

import { InferError } from "../core/error.ts";

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
  /** Gives some of it back before the rest. */
  shrink(bytes: number): void;
  /** Gives everything back; more calls do nothing. */
  release(): void;
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
  return {
    get usedBytes() {
      return used;
    },
    maxBytes,
    open(of = "whole") {
      let held = 0;
      let released = false;
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
        shrink(bytes) {
          const given = Math.min(bytes, held);
          used -= given;
          held -= given;
        },
        release() {
          released = true;
          used -= held;
          held = 0;
        },
      };
    },
  };
}

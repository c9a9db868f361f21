// How long codec work is run without holding the event loop.

/**
 * Runs codec work that stops now and then (a generator that yields about every millisecond) so that the event loop is
 * never held. `small` work is done at once.
 */
export type RunSliced = <T>(
  work: Generator<void, T, void>,
  options: { readonly small: boolean; readonly signal: AbortSignal },
) => T | Promise<T>;

/** Work as a generator: it yields about every millisecond and returns its result. Small work never yields. */
export type Sliced<T> = Generator<void, T, void>;

/** Copied between two stops: well below a millisecond. */
const STEP_BYTES = 1024 * 1024;

/** Copies the pieces one behind the other into the buffer, which has room for them from the place on. */
export function* copyPieces(pieces: readonly Uint8Array[], into: Uint8Array, place = 0): Sliced<void> {
  let at = place;
  let copied = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.byteLength; from += STEP_BYTES) {
      const step = piece.subarray(from, from + STEP_BYTES);
      into.set(step, at);
      at += step.byteLength;
      copied += step.byteLength;
      if (copied < STEP_BYTES) continue;
      copied = 0;
      yield;
    }
  }
}

// How long codec work is run without holding the event loop.

/**
 * Runs codec work that stops now and then (a generator that yields about every millisecond) so that the event loop is
 * never held. `small` work is done at once.
 */
export type RunSliced = <T>(
  work: Generator<void, T, void>,
  options: { readonly small: boolean; readonly signal: AbortSignal },
) => T | Promise<T>;

/** Work as a generator that yields about every millisecond and returns its result. */
export type Sliced<T> = Generator<void, T, void>;

// When a stream is over: ended, failed, given up by its reader, or left by its caller.

/**
 * The same parts; `over` hears once how they ended: with what they threw, or with undefined when they ended or the reader
 * stopped, even before the first of them. A caller who leaves without reading on is told by the signal.
 */
export function whenOver<T>(
  parts: AsyncIterable<T>,
  signal: AbortSignal,
  over: (error: unknown) => void,
): AsyncIterable<T> {
  let open = true;
  const end = (error: unknown) => {
    if (!open) return;
    open = false;
    signal.removeEventListener("abort", onAbort);
    over(error);
  };
  const onAbort = () => end(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { [Symbol.asyncIterator]: () => watched(parts[Symbol.asyncIterator](), end) };
}

// no generator: one that was never begun does not run its `finally` when it is returned
function watched<T>(iterator: AsyncIterator<T>, end: (error: unknown) => void): AsyncIterator<T> {
  return {
    async next() {
      try {
        const step = await iterator.next();
        if (step.done === true) end(undefined);
        return step;
      } catch (error) {
        end(error);
        throw error;
      }
    },
    async return(value?: unknown) {
      try {
        await iterator.return?.(value);
      } finally {
        end(undefined);
      }
      return { done: true, value };
    },
  };
}

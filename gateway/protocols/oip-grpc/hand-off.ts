// A hand-off without a store: whoever has something waits until the reader takes it, so that a slow reader slows the writers.

export interface HandOff<T> {
  /** Resolves with true when the reader has taken it and asked for more, with false when it will take nothing more. */
  put(value: T): Promise<boolean>;
  /** No more comes; with an error the reader gets that once what waits has been taken. */
  end(error?: unknown): void;
  /** For one reader. Once it returns, nobody waits any longer. */
  readonly values: AsyncIterable<T>;
}

/** As many values wait as there are writers: whoever opens it bounds them. */
export function openHandOff<T>(): HandOff<T> {
  const waiting: { readonly value: T; readonly taken: (more: boolean) => void }[] = [];
  let over: { readonly error: unknown } | undefined;
  let wake = () => {};
  const close = () => {
    over ??= { error: undefined };
    for (const { taken } of waiting.splice(0)) taken(false);
  };
  async function* values(): AsyncGenerator<T> {
    try {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) {
          let more = false;
          try {
            yield next.value;
            more = true;
          } finally {
            next.taken(more);
          }
        } else if (over !== undefined) {
          if (over.error !== undefined) throw over.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      close();
    }
  }
  return {
    put(value) {
      if (over !== undefined) return Promise.resolve(false);
      return new Promise((resolve) => {
        waiting.push({ value, taken: resolve });
        wake();
      });
    },
    end(error) {
      over ??= { error };
      wake();
    },
    values: values(),
  };
}

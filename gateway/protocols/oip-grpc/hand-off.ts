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
  const table: Table<T> = { waiting: [], over: undefined, wake: () => {} };
  return {
    put(value) {
      if (table.over !== undefined) return Promise.resolve(false);
      return new Promise((resolve) => {
        table.waiting.push({ value, taken: resolve });
        table.wake();
      });
    },
    end(error) {
      table.over ??= { error };
      table.wake();
    },
    values: taking(table),
  };
}

/** Where the writers' hands meet the reader's. */
interface Table<T> {
  readonly waiting: { readonly value: T; readonly taken: (more: boolean) => void }[];
  over: { readonly error: unknown } | undefined;
  /** Wakes the reader. */
  wake: () => void;
}

// not inside its caller: see core/chain.ts
async function* taking<T>(table: Table<T>): AsyncGenerator<T> {
  try {
    for (;;) {
      const next = table.waiting.shift();
      if (next !== undefined) {
        let more = false;
        try {
          yield next.value;
          more = true;
        } finally {
          next.taken(more);
        }
      } else if (table.over !== undefined) {
        if (table.over.error !== undefined) throw table.over.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          table.wake = resolve;
        });
      }
    }
  } finally {
    table.over ??= { error: undefined };
    for (const { taken } of table.waiting.splice(0)) taken(false);
  }
}

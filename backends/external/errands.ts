// Small work in the background, one piece at a time, each wanted piece once.

export interface Errands {
  /** Does the work when its turn comes, in place of work of the same key that still waits. What it throws is dropped. */
  add(key: string, work: () => Promise<void>): void;
  /** Forgets what waits. */
  close(): void;
}

export function openErrands(): Errands {
  const waiting = new Map<string, () => Promise<void>>();
  let running = false;
  let closed = false;
  const run = async () => {
    running = true;
    // bounded: each pass takes one out, and what is added has a key that is not waiting
    for (const [key, work] of waiting) {
      waiting.delete(key);
      try {
        await work();
      } catch {
        // nobody waits for it: whoever needs it later asks himself and hears why
      }
    }
    running = false;
  };
  return {
    add(key, work) {
      if (closed) return;
      waiting.set(key, work);
      if (!running) void run();
    },
    close() {
      closed = true;
      waiting.clear();
    },
  };
}

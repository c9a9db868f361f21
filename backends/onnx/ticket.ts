// The right to one waiting run, in memory that pool and worker share: exactly one of them gets it.

export interface Ticket {
  /** The pool: this run waits in the worker now. Only when no other does. */
  offer(run: number): void;
  /** The worker before it begins, or the pool that wants it back: whether the run is now the asker's alone. */
  claim(run: number): boolean;
}

/** A ticket over 4 shared bytes. Run numbers are 32-bit and not 0. */
export function openTicket(memory: SharedArrayBuffer): Ticket {
  const cell = new Int32Array(memory);
  return {
    offer(run) {
      Atomics.store(cell, 0, run);
    },
    claim: (run) => Atomics.compareExchange(cell, 0, run, 0) === run,
  };
}

// The right to a waiting run, in memory that pool and worker share: exactly one of them gets it.

/** Two cells: a run that has come to the front may not be claimed yet when the next is offered. */
export const TICKET_BYTES = 8;

export interface Ticket {
  /** The pool: this run waits in the worker now. At most one waits, beside the one in front. */
  offer(run: number): void;
  /** The worker before it begins, or the pool that wants it back: whether the run is now the asker's alone. */
  claim(run: number): boolean;
}

/** A ticket over TICKET_BYTES shared bytes. Run numbers are 32-bit and not 0. */
export function openTicket(memory: SharedArrayBuffer): Ticket {
  const cells = new Int32Array(memory);
  const claimIn = (cell: number, run: number) => Atomics.compareExchange(cells, cell, run, 0) === run;
  return {
    offer(run) {
      // a claimed cell is 0; at most the one in front is unclaimed, so one of the two is free
      Atomics.store(cells, Atomics.load(cells, 0) === 0 ? 0 : 1, run);
    },
    claim: (run) => claimIn(0, run) || claimIn(1, run),
  };
}

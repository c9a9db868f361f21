// The right to a run that was posted, in memory that pool and worker share: exactly one of them gets it.

/** Two cells: for the run in front, which may not be claimed yet, and for the one that waits behind it. */
export const TICKET_BYTES = 8;

export interface Ticket {
  /** The pool: this run is posted now. At most two are unclaimed at a time. */
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
      // a cell is 0 once claimed; at most one other run is unclaimed, so one of the two is free
      Atomics.store(cells, Atomics.load(cells, 0) === 0 ? 0 : 1, run);
    },
    claim: (run) => claimIn(0, run) || claimIn(1, run),
  };
}

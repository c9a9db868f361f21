// How many bytes of bodies are taken in one turn of the event loop, so that large bodies do not hold it.

/** Of all bodies together; a socket may bring up to 2 MiB in one go. */
const TURN_BYTES = 256 * 1024;

export interface Intake {
  /** Counts bytes taken in this turn: true when it has had its share, and the rest should wait for the next. */
  took(bytes: number): boolean;
  nextTurn(resume: () => void): void;
}

export function openIntake(): Intake {
  let taken = 0;
  let scheduled = false;
  let waiting: (() => void)[] = [];
  const turn = () => {
    scheduled = false;
    taken = 0;
    const resumed = waiting;
    waiting = [];
    for (const resume of resumed) resume();
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  return {
    took(bytes) {
      taken += bytes;
      schedule();
      return taken > TURN_BYTES;
    },
    nextTurn(resume) {
      waiting.push(resume);
      schedule();
    },
  };
}

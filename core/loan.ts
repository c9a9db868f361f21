// How long the bytes of a request are needed: they lie in a buffer that is used again once nobody reads them any more.

export interface Loan {
  /** A backend has answered, and has a copy of all that it read: it reads the bytes no longer. */
  done(): void;
  /** Somebody reads the bytes beyond the answer, or may be sending them still: they are left to the garbage collector. */
  keep(): void;
  /** Whether the bytes may be used again when the answer is out. Nobody has said so: then they may not. */
  readonly isOver: boolean;
}

/** @param of the loans of the calls that this one stands for */
export function openLoan(of: () => Iterable<Loan> = () => []): Loan {
  let done = false;
  let kept = false;
  return {
    done() {
      done = true;
      for (const loan of of()) loan.done();
    },
    keep() {
      kept = true;
      for (const loan of of()) loan.keep();
    },
    get isOver() {
      return done && !kept;
    },
  };
}

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
export function openLoan(of: readonly Loan[] = NONE): Loan {
  return new OneLoan(of);
}

const NONE: readonly Loan[] = [];

/** A class, since one is opened for each call: see core/chain.ts for what a getter in an object of its own does. */
class OneLoan implements Loan {
  readonly #of: readonly Loan[];
  #done = false;
  #kept = false;

  constructor(of: readonly Loan[]) {
    this.#of = of;
  }

  done(): void {
    this.#done = true;
    for (const loan of this.#of) loan.done();
  }

  keep(): void {
    this.#kept = true;
    for (const loan of this.#of) loan.keep();
  }

  get isOver(): boolean {
    return this.#done && !this.#kept;
  }
}

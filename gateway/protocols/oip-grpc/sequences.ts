// The turns of the requests on one stream: all are read in their order, and those of one sequence run one after the other.

import type { Sequence } from "../../../core/call.ts";

/** The turn of one request. */
export interface Turn {
  /** Resolves when the requests before it have been read. */
  toRead(): Promise<void>;
  /** It has been read; resolves when the requests of its sequence before it are answered. */
  toRun(sequence: Sequence | undefined): Promise<void>;
  /** It is over, however far it came. */
  leave(): void;
}

export interface Sequences {
  /** Takes a turn behind those before. */
  enter(): Turn;
}

/** As many turns are held as requests are in work: whoever opens it bounds them. */
export function openSequences(): Sequences {
  const last = new Map<bigint | string, Promise<void>>();
  let read: Promise<void> = Promise.resolve();
  return {
    enter() {
      const before = read;
      const own = latch();
      const answered = latch();
      read = own.opened;
      let id: bigint | string | undefined;
      return {
        toRead: () => before,
        async toRun(sequence) {
          const earlier = sequence === undefined ? undefined : last.get(sequence.id);
          id = sequence?.id;
          if (id !== undefined) last.set(id, answered.opened);
          own.open();
          await earlier;
        },
        leave() {
          own.open();
          answered.open();
          if (id !== undefined && last.get(id) === answered.opened) last.delete(id);
        },
      };
    },
  };
}

function latch(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

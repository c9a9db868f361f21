// The words with which a program's event loop is watched from outside.

import { watchLag, watchTurns } from "./turns.ts";

export type Watch = "turns" | "lag";

/** `watch` begins, `seen` ends it and gives the facts. */
export function watchWords() {
  const open: { stop?: () => unknown } = {};
  return {
    watch(what: Watch) {
      open.stop = what === "turns" ? watchTurns() : watchLag();
    },
    seen() {
      const facts = open.stop?.();
      delete open.stop;
      return facts;
    },
  };
}

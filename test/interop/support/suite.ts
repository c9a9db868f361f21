// The frame of a suite against a real server: starts it once, and says in plain words why the tests skip where it cannot be had.

import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { isMissing, type Missing } from "./venv.ts";

/** What a suite needs closed at its end. */
export interface Closable {
  close(): Promise<unknown>;
}

/** Environments are installed in here too, hence the patience. */
const START_MS = 600_000;

/**
 * The kinds that must be tested (`SLUICE_INTEROP="triton litserve"`): a suite of one of them fails where it would skip.
 */
function isRequired(kind: string): boolean {
  return (process.env.SLUICE_INTEROP ?? "").split(/[\s,]+/).includes(kind);
}

/**
 * Tests that need a real server or client of that kind; `server()` gives it inside of them. Where it is missing they skip
 * with the reason, or fail with it when the kind was asked for by name.
 */
export function realServer<T extends Closable>(
  kind: string,
  start: () => Promise<T | Missing>,
  suite: (server: () => T) => void,
): void {
  describe(kind, () => {
    let found: T | Missing | undefined;

    beforeAll(async () => {
      found = await start();
      if (isMissing(found) && isRequired(kind)) throw new Error(`${kind} must be tested here, but ${found.missing}`);
      if (isMissing(found)) process.stderr.write(`interop: ${kind} is skipped: ${found.missing}\n`);
    }, START_MS);

    beforeEach(({ skip }) => {
      if (isMissing(found)) skip(found.missing);
    });

    afterAll(async () => {
      if (found !== undefined && !isMissing(found)) await found.close();
    }, 60_000);

    suite(() => {
      if (found === undefined || isMissing(found)) throw new Error(`${kind} is asked for before it has started`);
      return found;
    });
  });
}

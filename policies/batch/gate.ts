// Whether a model's requests may be joined at all: what its signature says, looked at again now and then.

import type { Clock } from "../../core/env.ts";
import type { ModelMetadata } from "../../core/model.ts";

/** What batching must know of a model. */
export interface Known {
  readonly metadata: ModelMetadata;
  /** Rows stand along the first dimension of every input and output, and no request has state or several answers. */
  readonly hasRows: boolean;
}

export interface Gate {
  /** What is known, without waiting where anything is; undefined when nobody can tell. */
  look(signal: AbortSignal): Known | undefined | Promise<Known | undefined>;
}

export interface GateOptions {
  readonly clock: Clock;
  signature(signal: AbortSignal): Promise<ModelMetadata>;
}

/** A signature is asked for again after this long, beside the requests that go on with the old one. */
const FRESH_MS = 2000;

export function openGate({ clock, signature }: GateOptions): Gate {
  let known: Known | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<Known | undefined> | undefined;

  const ask = (signal: AbortSignal): Promise<Known | undefined> => {
    asking ??= signature(signal)
      .then(
        (metadata) => {
          known = { metadata, hasRows: hasRows(metadata) };
          return known;
        },
        // one that cannot be told now may still be the old one: the requests find out
        () => known,
      )
      .finally(() => {
        askedAt = clock.now();
        asking = undefined;
      });
    return asking;
  };

  return {
    look(signal) {
      if (clock.now() - askedAt < FRESH_MS) return known;
      const fresh = ask(signal);
      return known ?? fresh;
    },
  };
}

function hasRows({ batchDim, stateful, decoupled, inputs, outputs }: ModelMetadata): boolean {
  if (batchDim !== 0 || stateful || decoupled === true) return false;
  // a fixed first dimension has no room for the rows of others
  return [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

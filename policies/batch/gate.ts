// Whether a model's requests may be joined at all: what its signature says, looked at again now and then.

import type { Clock } from "../../core/env.ts";
import type { ModelMetadata } from "../../core/model.ts";

/** What batching must know of a model. */
export interface Known {
  readonly metadata: ModelMetadata;
  /** Why its requests cannot be joined; undefined where they can, as far as its signature says. */
  readonly unfit: string | undefined;
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
          known = { metadata, unfit: unfitOf(metadata) };
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

/** Rows must stand along the first dimension of every input and output, and no request have state or several answers. */
function unfitOf({ batchDim, stateful, decoupled, inputs, outputs }: ModelMetadata): string | undefined {
  if (stateful) return "the model keeps state";
  if (decoupled === true) return "the model may answer several times";
  if (batchDim !== 0) return "the signature does not say that rows stand along the first dimension (batchDim)";
  // a fixed first dimension has no room for the rows of others
  const fixed = [...inputs, ...outputs].find(({ shape }) => shape[0] !== -1);
  return fixed === undefined ? undefined : `the first dimension of "${fixed.name}" is fixed`;
}

// breaker: an endpoint that fails gets no calls for a while, then one to see; the one door to opossum.

import CircuitBreaker from "opossum";
import type { EndpointKind } from "../core/policy.ts";
import { openBreaker } from "./breaker/guard.ts";
import type { Circuit, CircuitParts } from "./breaker/machine.ts";
import { type BreakerOptions, breakerWords } from "./breaker/words.ts";

export const breaker: EndpointKind<BreakerOptions | false> = {
  place: "endpoint",
  word: "breaker",
  underBackend: true,
  options: breakerWords,
  build(options, context) {
    if (options === false) return undefined;
    return (endpoint) => openBreaker({ options, context, endpoint, openCircuit });
  },
};

/** The window that failures are counted in, in milliseconds, and its buckets. */
const WINDOW_MS = 10_000;
const BUCKETS = 10;
const BUCKET_MS = WINDOW_MS / BUCKETS;
/** opossum would go to half-open by a timer of its own: that is left to ours, which tests can move. */
const NEVER_MS = 2 ** 31 - 1;

const DONE = Promise.resolve();
const FAILED = new Error("failure");

/**
 * The rolling window, the threshold and the states, by opossum. It is given each outcome when it is known, not the call itself:
 * so its window holds only what has ended, and what is ignored never comes in.
 */
export function openCircuit({ options, clock, from, opened, closed }: CircuitParts): Circuit {
  let rotate = () => {};
  let rotatedAt = clock.now();
  const circuit = new CircuitBreaker<[failed: boolean], void>(
    (failed) => {
      // thrown, not rejected: so a failure has tripped the circuit before its caller hears of it
      if (failed) throw FAILED;
      return DONE;
    },
    {
      name: "breaker",
      timeout: false,
      resetTimeout: NEVER_MS,
      errorThresholdPercentage: options.errorRate * 100,
      volumeThreshold: options.minimumCalls,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      // in place of an interval: a window nobody looks at need not move
      rotateBucketController: {
        listenerCount: () => 0,
        on: (_event: string, listener: () => void) => {
          rotate = listener;
        },
        removeListener: () => {},
      } as never,
      ...(from === "half-open" ? { state: { closed: false, halfOpen: true } as never } : {}),
    },
  );
  circuit.on("open", opened);
  circuit.on("close", closed);
  const turn = () => {
    const buckets = Math.min(BUCKETS, Math.floor((clock.now() - rotatedAt) / BUCKET_MS));
    if (buckets === 0) return;
    // opossum keeps each call's time for percentiles that are off
    for (const { latencyTimes } of circuit.status.window) latencyTimes.length = 0;
    for (let i = 0; i < buckets; i += 1) rotate();
    rotatedAt = buckets === BUCKETS ? clock.now() : rotatedAt + buckets * BUCKET_MS;
  };
  return {
    count(failed) {
      turn();
      circuit.fire(failed).catch(() => {});
    },
    trip: () => circuit.open(),
    // it asks again at the next failure: its window stays
    hold: () => circuit.close(),
    end: () => circuit.shutdown(),
  };
}

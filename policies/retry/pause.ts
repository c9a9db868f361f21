// A pause between two tries that ends with its call.

import { abortReason, type Call } from "../../core/call.ts";

/** @throws InferError the call's abort reason, as soon as nobody waits any longer */
export function pause(ms: number, { clock, signal }: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      stop();
      reject(abortReason(signal));
    };
    const stop = clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

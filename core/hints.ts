// What a decoder finds in a request that concerns its caller, not its question: it goes into the Call.

import type { Sequence } from "./call.ts";
import type { Parameters } from "./tensor.ts";

export interface Hints {
  /** The caller's id for its answer, echoed as it came. */
  readonly id?: string;
  /** Milliseconds that the caller is ready to wait. */
  readonly timeoutMs?: number;
  /** 1 is the highest. */
  readonly priority?: number;
  readonly sequence?: Sequence;
  /** The parameters that begin with `sluice_`: words to the gateway itself. */
  readonly sluice: Parameters;
}

// What lies between a logical model and the model on one backend: the words of a bridge, read and complete.

import type { Datatype, Tensor } from "./tensor.ts";

/** How one tensor of the logical model stands at the backend. */
export interface BridgedTensor {
  /** Its name there. */
  readonly name: string;
  /** The datatype that clients see, where the backend has another one: values are cast, and refused when they do not fit. */
  readonly datatype?: Datatype;
  /** An input's datatype there, when it is cast; an output's own answer tells it. */
  readonly there?: Datatype;
  /**
   * `add`: it has one dimension more there, a leading one of 1. `drop`: the logical tensor has a leading dimension of 1
   * that is not there.
   */
  readonly batch?: "add" | "drop";
}

/** How a target's model differs from the logical model in front of it. */
export interface Bridge {
  /** By the logical input's name; inputs not named here go under their own name. */
  readonly inputs: ReadonlyMap<string, BridgedTensor>;
  /** By the logical output's name. When there are any, they are all that the logical model has. */
  readonly outputs: ReadonlyMap<string, BridgedTensor>;
  /** Inputs that the backend wants and clients never send, under their names there. */
  readonly fixed: readonly Tensor[];
}

/** Where a version of a logical model runs. */
export interface TargetRef {
  readonly backend: string;
  /** The model's name there. */
  readonly model: string;
  /** Its version there; the newest when neither this nor a label is said. */
  readonly version?: string;
  readonly label?: string;
  /** Only endpoints that have all of these tags. */
  readonly tags: readonly string[];
  readonly bridge?: Bridge;
  /** What the model there is made of, as the config says it. */
  readonly artifact?: string;
}

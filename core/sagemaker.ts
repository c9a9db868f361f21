// What the config says to the front that speaks SageMaker: whose endpoints there are, and who may ask.

import type { WireRequest } from "./protocol.ts";

/** The settings of SageMaker's front. */
export interface SageMakerFront {
  /** The model that the config gives this endpoint's name; undefined where none has it. */
  model(endpoint: string): string | undefined;
  /** The model behind `/invocations` where the request names none; undefined where the config does not say it. */
  readonly invocations: string | undefined;
  /**
   * Checks who signed a request; absent where nobody has to sign.
   *
   * @throws InferError unauthenticated for a signature that is missing, wrong or too old
   */
  verify?(wire: WireRequest): Promise<void>;
}

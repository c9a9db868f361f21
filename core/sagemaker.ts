// What the config says to the front that speaks SageMaker: whose endpoints there are, and who may ask.

/** What a signature is checked against: a request as it came off the wire, its body whole. */
export interface SignedWire {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

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
  verify?(wire: SignedWire): Promise<void>;
}

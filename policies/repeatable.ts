// Whether a model's requests may be run twice: the one notion of batches that are halved, retries and hedges.

import type { ModelMetadata } from "../core/model.ts";

/**
 * A server that says what it is and that it keeps no state may be asked again; of others only the config can say so.
 *
 * @param said what the config says, where it does
 */
export function isRepeatable({ stateful, platform }: ModelMetadata, said: boolean | undefined): boolean {
  return said ?? (!stateful && platform !== "");
}

export interface RepeatableParts {
  readonly said: boolean | undefined;
  signature(signal: AbortSignal): Promise<ModelMetadata>;
}

/** Asks for the signature where the config says nothing; a model of which nobody can tell now is not repeatable. */
export function mayRepeat({ said, signature }: RepeatableParts, signal: AbortSignal): Promise<boolean> {
  if (said !== undefined) return Promise.resolve(said);
  return signature(signal).then(
    (metadata) => isRepeatable(metadata, said),
    () => false,
  );
}

// A model whose answers are drawn by chance takes no cache: a kept answer would be the same for ever.

import { InferError } from "../core/error.ts";
import type { ModelMetadata } from "../core/model.ts";
import type { Versions } from "./versions.ts";

export interface RandomParts {
  readonly model: string;
  readonly versions: Versions;
  signature(version: string, signal: AbortSignal): Promise<ModelMetadata>;
}

/** Who cannot tell now is asked again by each request. @throws InferError invalid-argument naming the version */
export async function refuseRandom({ model, versions, signature }: RandomParts, signal: AbortSignal): Promise<void> {
  for (const version of versions.ready() ?? []) {
    const told = await signature(version, signal).catch(() => undefined);
    if (told?.random !== true) continue;
    const text = `models.${model}.cache: expected a model with equal answers to equal questions, got version ${version}, which draws random numbers`;
    throw new InferError("invalid-argument", text);
  }
}

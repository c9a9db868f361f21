// The kind `sagemaker`: endpoints of SageMaker's runtime API as models, or the containers that run behind it.

import type { Connection, Door } from "./connection.ts";
import { externalKind } from "./external.ts";
import { connectContainer } from "./sagemaker/container.ts";
import { connectRuntime } from "./sagemaker/runtime.ts";
import { type SageMakerWords, sagemakerModelWords, sagemakerWords } from "./sagemaker/words.ts";

/** How SageMaker is spoken to. */
export const sagemakerServer = {
  kind: "sagemaker",
  words: sagemakerWords,
  modelWords: sagemakerModelWords,
  connect: (words: SageMakerWords, door: Door): Connection =>
    words.mode === "container" ? connectContainer(words, door) : connectRuntime(words, door),
};

/** SageMaker: `kind: sagemaker`. */
export const sagemaker = externalKind(sagemakerServer);

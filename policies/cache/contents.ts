// The digests of questions that have been digested before, for as long as their inputs are in use.

import type { InferRequest } from "../../core/request.ts";
import type { Content } from "./key.ts";

export interface Contents {
  /** What was noted of this very question; the model and version that it is asked of do not matter. */
  of(request: InferRequest): Content | undefined;
  note(request: InferRequest, content: Content): void;
}

type Noted = Pick<InferRequest, "task" | "signature" | "parameters" | "outputs"> & {
  /** Whose note it is. */
  readonly by: object;
  readonly content: Content;
};

type Annotated = InferRequest["inputs"] & { readonly [NOTED]?: Noted };

/** Stands on the list of inputs itself: a WeakMap would keep what is noted of a list that is gone until the whole heap is marked. */
const NOTED = Symbol("noted");

/** By the list of inputs, which is handed on as it is; a policy that changes anything else has another question. */
export function openContents(): Contents {
  const own = {};
  return {
    of({ inputs, task, signature, parameters, outputs }) {
      const noted = (inputs as Annotated)[NOTED];
      if (noted?.by !== own || noted.task !== task || noted.signature !== signature) return undefined;
      return noted.parameters === parameters && noted.outputs === outputs ? noted.content : undefined;
    },
    note({ inputs, task, signature, parameters, outputs }, content) {
      const value: Noted = {
        by: own,
        task,
        parameters,
        content,
        ...(signature === undefined ? {} : { signature }),
        ...(outputs === undefined ? {} : { outputs }),
      };
      // a list that is sealed has nothing noted, and is digested again
      Reflect.defineProperty(inputs, NOTED, { value, configurable: true });
    },
  };
}

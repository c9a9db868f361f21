// The digests of questions that have been digested before, for as long as their inputs are in use.

import type { InferRequest } from "../../core/request.ts";
import type { Content } from "./key.ts";

export interface Contents {
  /** What was noted of this very question; the model and version that it is asked of do not matter. */
  of(request: InferRequest): Content | undefined;
  note(request: InferRequest, content: Content): void;
}

type Noted = Pick<InferRequest, "task" | "signature" | "parameters" | "outputs"> & { readonly content: Content };

/** By the list of inputs, which is handed on as it is; a policy that changes anything else has another question. */
export function openContents(): Contents {
  const known = new WeakMap<InferRequest["inputs"], Noted>();
  return {
    of({ inputs, task, signature, parameters, outputs }) {
      const noted = known.get(inputs);
      if (noted === undefined || noted.task !== task || noted.signature !== signature) return undefined;
      return noted.parameters === parameters && noted.outputs === outputs ? noted.content : undefined;
    },
    note({ inputs, task, signature, parameters, outputs }, content) {
      known.set(inputs, {
        task,
        parameters,
        content,
        ...(signature === undefined ? {} : { signature }),
        ...(outputs === undefined ? {} : { outputs }),
      });
    },
  };
}

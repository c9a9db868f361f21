// Whether a request may be answered from the cache at all, and if not, why.

import type { Call } from "../../core/call.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";

/** Why a request passes the cache by before anything is asked of its model; undefined where it does not. */
export function ofTheRequest(request: InferRequest, call: Call, by: "all" | "tenant"): string | undefined {
  if (call.sequence !== undefined) return "a sequence has state";
  if (request.stream) return "a stream is wanted";
  if (by === "tenant" && call.tenant === undefined) return "no tenant is named";
  return undefined;
}

/** Why no answer of the model may be kept. */
export function ofTheModel(metadata: ModelMetadata | undefined): string | undefined {
  if (metadata === undefined) return "nobody tells the model's signature";
  if (metadata.stateful) return "the model has state";
  if (metadata.decoupled === true) return "the model answers in streams";
  if (metadata.random === true) return "the model is random";
  // a body that nobody can read may mean whatever its server makes of it
  if (metadata.inputs.length === 0) return "nobody tells the model's inputs";
  return undefined;
}

/** Whether each row of a request may be asked and answered by itself. */
export function hasRows({ batchDim, inputs, outputs }: ModelMetadata): boolean {
  return batchDim === 0 && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

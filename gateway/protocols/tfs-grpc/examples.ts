// Classify and Regress: Examples in, classes or values out.

import type { Route } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef } from "../../../core/request.ts";
import { classesOf, examplesTensor, regressionsOf } from "../../../wire/tfs-examples.ts";
import type { ModelSpec } from "../../../wire/tfs-proto.ts";
import {
  decodeExamplesRequest,
  encodeClassifyResponse,
  encodeRegressResponse,
} from "../../../wire/tfs-proto-examples.ts";
import { grpcReply, messageOf } from "../grpc-status.ts";
import { signatureAsked } from "../tfs/signature.ts";
import { type Asked, exchangeBy, type Method, modelOf } from "./replies.ts";

export const classify: Route["handle"] = (wire, planes) => exchangeBy(CLASSIFY, wire, planes);

export const regress: Route["handle"] = (wire, planes) => exchangeBy(REGRESS, wire, planes);

const CLASSIFY = methodOf("classify", ({ outputs }, spec) => encodeClassifyResponse(classesOf(outputs), spec));
const REGRESS = methodOf("regress", ({ outputs }, spec) => encodeRegressResponse(regressionsOf(outputs), spec));

/** A question about examples. */
export interface Question {
  readonly task: "classify" | "regress";
  readonly model: ModelSpec | undefined;
  readonly examples: readonly Uint8Array[];
}

function methodOf(task: Question["task"], encode: (reply: InferResponse, spec: ModelSpec) => Uint8Array): Method {
  return {
    isPredict: false,
    async read(wire, _planes, tell) {
      const { model, examples } = decodeExamplesRequest(messageOf(wire));
      return askedBy({ task, model, examples }, tell);
    },
    write: async (reply, spec) => grpcReply(encode(reply, spec)),
  };
}

/** The question in the words of the house. */
export function askedBy({ task, model, examples }: Question, tell: (model: ModelRef) => void): Asked {
  const ref = modelOf(model);
  tell(ref);
  const signature = model?.signature ?? "";
  const inputs = [examplesTensor(examples)];
  return { request: { model: ref, task, inputs, ...signatureAsked(signature) }, signature };
}

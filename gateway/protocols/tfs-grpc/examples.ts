// Classify and Regress: Examples in, classes or values out.

import type { Planes, Route, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef } from "../../../core/request.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { openPace } from "../../../wire/sliced.ts";
import { classesOf, examplesTensor, regressionsOf } from "../../../wire/tfs-examples.ts";
import type { ModelSpec } from "../../../wire/tfs-proto.ts";
import {
  decodeExamplesRequest,
  encodeClassifyResponse,
  encodeRegressResponse,
} from "../../../wire/tfs-proto-examples.ts";
import { grpcReply, messageOf } from "../grpc-status.ts";
import { signatureAsked } from "../tfs/signature.ts";
import { type Asked, exchangeBy, type Method, modelOf, SMALL_BYTES } from "./replies.ts";

export const classify: Route["handle"] = (wire, planes) => exchangeBy(CLASSIFY, wire, planes);

export const regress: Route["handle"] = (wire, planes) => exchangeBy(REGRESS, wire, planes);

const CLASSIFY = methodOf("classify", ({ outputs }, spec) => encodeClassifyResponse(classesOf(outputs), spec));
const REGRESS = methodOf("regress", ({ outputs }, spec) => encodeRegressResponse(regressionsOf(outputs), spec));

/** A question about examples. */
export interface Question {
  readonly task: "classify" | "regress";
  readonly model: ModelSpec | undefined;
  /** The examples, as `examplesTensor` makes it. */
  readonly input: Tensor;
}

function methodOf(task: Question["task"], encode: (reply: InferResponse, spec: ModelSpec) => Uint8Array): Method {
  return {
    isPredict: false,
    async read(wire, planes, tell) {
      const { model, examples } = decodeExamplesRequest(messageOf(wire));
      return askedBy({ task, model, input: await joined(examples, wire, planes) }, tell);
    },
    write: async (reply, spec) => grpcReply(encode(reply, spec)),
  };
}

/** The examples as the one input that they are. */
export async function joined(examples: readonly Uint8Array[], wire: WireRequest, planes: Planes): Promise<Tensor> {
  const small = messageOf(wire).byteLength <= SMALL_BYTES;
  return planes.run(examplesTensor(examples, openPace({})), { small, signal: wire.signal });
}

/** The question in the words of the house. */
export function askedBy({ task, model, input }: Question, tell: (model: ModelRef) => void): Asked {
  const ref = modelOf(model);
  tell(ref);
  const signature = model?.signature ?? "";
  return { request: { model: ref, task, inputs: [input], ...signatureAsked(signature) }, signature };
}

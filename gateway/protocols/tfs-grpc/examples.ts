// Classify and Regress: Examples in, classes or values out.

import type { Planes, Route, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef } from "../../../core/request.ts";
import { classesOf, examplesTensor, regressionsOf } from "../../../wire/tfs-examples.ts";
import type { ModelSpec } from "../../../wire/tfs-proto.ts";
import {
  decodeExamplesRequest,
  encodeClassifyResponse,
  encodeRegressResponse,
} from "../../../wire/tfs-proto-examples.ts";
import { grpcReply, messageOf } from "../grpc-status.ts";
import { knownSignature, signatureAsked } from "../tfs/signature.ts";
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
    async read(wire, planes, tell) {
      const { model, examples } = decodeExamplesRequest(messageOf(wire));
      return askedBy({ task, model, examples }, { wire, planes, tell });
    },
    write: async (reply, spec) => grpcReply(encode(reply, spec)),
  };
}

interface Asking {
  readonly wire: WireRequest;
  readonly planes: Planes;
  readonly tell: (model: ModelRef) => void;
}

/** The question in the words of the house. */
export async function askedBy({ task, model, examples }: Question, asking: Asking): Promise<Asked> {
  const { wire, planes, tell } = asking;
  const ref = modelOf(model);
  tell(ref);
  const signature = model?.signature ?? "";
  const told = signature === "" ? undefined : await knownSignature(planes, ref, wire.signal);
  const inputs = [examplesTensor(examples)];
  return { request: { model: ref, task, inputs, ...signatureAsked(signature, told) }, signature };
}

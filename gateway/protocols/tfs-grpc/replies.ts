// What requests and answers of TensorFlow Serving's gRPC protocol have in common: the model that a message names, errors.

import type { Call } from "../../../core/call.ts";
import { invalid } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferRequest, InferResponse, ModelRef, ResolvedModel } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import type { ModelSpec } from "../../../wire/tfs-proto.ts";
import { DEFAULT_SIGNATURE } from "../../../wire/tfs-signatures.ts";
import { collected } from "../collected.ts";
import { exchange } from "../exchange.ts";
import { grpcFail } from "../grpc-status.ts";
import { inWords, STREAMS } from "../tfs/faults.ts";

/** The label in metrics, logs and traces. */
export const NAME = "tfs-grpc";
/** A message up to this size is decoded at once; it takes well below a millisecond. */
export const SMALL_BYTES = 32 * 1024;

const FAILED_PRECONDITION = 9;
/** The text of a signature that the model does not have, over gRPC and over REST. */
const NO_SIGNATURE = /^Serving signature (key|name)\b/;

/** What a message asks: the request of the house, and the signature as the message has it. */
export interface Asked {
  readonly request: Pick<InferRequest, "model" | "task" | "inputs" | "outputs" | "signature">;
  /** Empty for the default. */
  readonly signature: string;
}

/** How one kind of message is read and answered. */
export interface Method {
  /** @param tell takes note of the model as soon as it is known, for the errors behind it */
  read(wire: WireRequest, planes: Planes, tell: (model: ModelRef) => void): Promise<Asked>;
  write(
    reply: InferResponse,
    spec: ModelSpec,
    at: { readonly call: Call; readonly planes: Planes },
  ): Promise<WireReply>;
  /** Predict alone says FAILED_PRECONDITION of a signature that is not there. */
  readonly isPredict: boolean;
}

/** Serves one message with one answer; never throws. */
export function exchangeBy(method: Method, wire: WireRequest, planes: Planes): Promise<WireReply> {
  let model: ModelRef | undefined;
  return exchange<string>(wire, planes, {
    protocol: NAME,
    fail: (error) => fail(error, model, method.isPredict),
    async decode() {
      const { request, signature } = await method.read(wire, planes, (told) => {
        model = told;
      });
      return {
        request: { ...request, parameters: NO_PARAMETERS, stream: false },
        hints: { sluice: NO_PARAMETERS },
        form: signature,
      };
    },
    async encode(reply, signature, at) {
      const whole = await collected(reply, { ...at, instead: STREAMS });
      return method.write(whole, answeredBy(whole.model, signature), at);
    },
  });
}

function fail(error: unknown, model: ModelRef | undefined, isPredict: boolean): WireReply {
  const fault = inWords(error, model);
  const reply = grpcFail(fault);
  const isUnmet = isPredict && fault.code === "invalid-argument" && NO_SIGNATURE.test(fault.message);
  return isUnmet ? { ...reply, status: FAILED_PRECONDITION } : reply;
}

/** Answers name the signature even where the question did not. A version that is no number cannot be told. */
function answeredBy({ name, version }: ResolvedModel, signature: string): ModelSpec {
  return {
    name,
    signature: signature === "" ? DEFAULT_SIGNATURE : signature,
    ...(isNumber(version) ? { version: BigInt(version) } : {}),
  };
}

/** Whether a version is one that TensorFlow Serving could have: a whole number of 64 bits. */
export function isNumber(version: string): boolean {
  return /^\d{1,18}$/.test(version);
}

/** The model that a message names. @throws InferError invalid-argument for none, in TensorFlow Serving's words */
export function modelOf(spec: ModelSpec | undefined): ModelRef {
  if (spec === undefined) throw invalid("Missing ModelSpec");
  const { name, version, label } = spec;
  if (name === "") throw invalid("ModelSpec has no name specified.");
  if (label !== undefined) return { name, select: { by: "label", label } };
  if (version !== undefined) return { name, select: { by: "version", version: String(version) } };
  return { name, select: { by: "default" } };
}

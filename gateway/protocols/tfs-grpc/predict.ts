// Predict: tensors in, tensors out.

import { invalid } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { RequestedOutput } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { decodeRequest, encodeResponse } from "../../../wire/tfs-proto.ts";
import { grpcReply, messageOf } from "../grpc-status.ts";
import { signatureAsked } from "../tfs/signature.ts";
import { exchangeBy, type Method, modelOf, SMALL_BYTES } from "./replies.ts";

export function predict(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchangeBy(PREDICT, wire, planes);
}

const PREDICT: Method = {
  isPredict: true,
  async read(wire, planes, tell) {
    const message = messageOf(wire);
    const { model, inputs, outputs } = await planes.run(
      decodeRequest(message, { maxTensors: planes.limits.maxInputs }),
      { small: message.byteLength <= SMALL_BYTES, signal: wire.signal },
    );
    const ref = modelOf(model);
    tell(ref);
    const signature = model?.signature ?? "";
    return {
      request: { model: ref, task: "infer", inputs, ...wanted(outputs), ...signatureAsked(signature) },
      signature,
    };
  },
  async write({ outputs }, model, { call, planes }) {
    const small = outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
    return grpcReply(await planes.run(encodeResponse({ model, outputs }), { small, signal: call.signal }));
  },
};

/** An output_filter; empty for all outputs. */
function wanted(names: readonly string[]): { readonly outputs?: readonly RequestedOutput[] } {
  if (names.length === 0) return {};
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw invalid(`duplicate output tensor alias: ${name}`);
    seen.add(name);
  }
  return { outputs: names.map((name) => ({ name, parameters: NO_PARAMETERS })) };
}

// One inference as a client of the gateway asks it, over HTTP or gRPC.

import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";
import { binaryBody, type Plain } from "../test/support/gateway-oip.ts";
import { encodeRequest } from "../wire/oip-proto.ts";
import { OIP_SERVICE } from "../wire/oip-proto-service.ts";
import { runNow } from "../wire/sliced.ts";
import { post } from "./http-bytes.ts";

export interface FrontAsk {
  /** Of gRPC. */
  readonly path: string;
  /** Of HTTP the whole request, of gRPC the message. */
  readonly bytes: Uint8Array;
}

/** The Open Inference Protocol with binary tensors both ways. */
export function askFor(of: {
  readonly model: string;
  readonly inputs: readonly Tensor[];
  readonly over: "http" | "grpc";
  /** `user=7`. */
  readonly query?: string;
  /** Of HTTP, beside those of the body. */
  readonly headers?: Readonly<Record<string, string>>;
}): FrontAsk {
  const { model, inputs, over, query } = of;
  const path = `/v2/models/${model}/infer${query === undefined ? "" : `?${query}`}`;
  if (over === "http") {
    const { body, headers } = binaryBody(inputs as readonly Plain[]);
    return {
      path,
      bytes: post(path, { bytes: body, headers: { ...(headers as Readonly<Record<string, string>>), ...of.headers } }),
    };
  }
  const request = {
    model: { name: model, select: { by: "default" } },
    task: "infer",
    inputs,
    parameters: NO_PARAMETERS,
    stream: false,
  } as const;
  const bytes = runNow(encodeRequest(request, { model: { name: model, version: "" }, id: "", contents: "raw" }));
  return { path: `/${OIP_SERVICE}/ModelInfer`, bytes };
}

// Clients of each front who ask, and then leave without waiting for their answer.

import { request } from "node:http";
import type { Tensor } from "../../core/tensor.ts";
import { runNow } from "../../wire/sliced.ts";
import { encodeRequest } from "../../wire/tfs-proto.ts";
import { grpcCaller, inferMessage } from "./gateway-grpc.ts";

/** A tensor of one row, in the forms that the fronts want. */
export interface Row extends Tensor {
  readonly values: readonly number[];
}

export interface Ports {
  readonly http: number;
  readonly grpc: number;
}

/** One who has asked; calling it is leaving. */
export type Leave = () => void;

export interface Leaver {
  readonly front: string;
  /** Whose the model is, on the paths that protocols share. */
  readonly dialect?: "kserve-v1" | "tf-serving";
  ask(ports: Ports, model: string, inputs: readonly Row[]): Leave;
}

const http =
  (path: (model: string) => string, body: (inputs: readonly Row[]) => unknown): Leaver["ask"] =>
  (ports, model, inputs) => {
    const headers = { "content-type": "application/json" };
    const asked = request({ host: "127.0.0.1", port: ports.http, method: "POST", path: path(model), headers });
    asked.on("error", () => {});
    asked.end(JSON.stringify(body(inputs)));
    return () => asked.destroy();
  };

const grpc =
  (method: string, message: (model: string, inputs: readonly Row[]) => Uint8Array, isStream = false): Leaver["ask"] =>
  (ports, model, inputs) => {
    const caller = grpcCaller(ports.grpc);
    const call = caller.open({ method });
    call.on("error", () => {});
    call.on("status", () => caller.close());
    call.resume();
    call.write(Buffer.from(message(model, inputs)));
    // a stream of requests stays open, as that of a client with more to ask
    if (!isStream) call.end();
    return () => call.cancel();
  };

const byName = (inputs: readonly Row[], nest: (values: readonly number[]) => unknown) =>
  Object.fromEntries(inputs.map(({ name, values }) => [name, nest(values)]));

const instances = (inputs: readonly Row[]) => ({ instances: [byName(inputs, (values) => values)] });

const oip = (model: string, inputs: readonly Row[]) => inferMessage({ model, inputs });

/** Each front that carries tensors of a model. */
export const LEAVERS: readonly Leaver[] = [
  {
    front: "OIP REST",
    ask: http(
      (model) => `/v2/models/${model}/infer`,
      (inputs) => ({
        inputs: inputs.map(({ name, shape, datatype, values }) => ({ name, shape, datatype, data: values })),
      }),
    ),
  },
  { front: "OIP gRPC", ask: grpc("ModelInfer", oip) },
  { front: "OIP gRPC stream", ask: grpc("ModelStreamInfer", oip, true) },
  {
    front: "TF Serving REST",
    dialect: "tf-serving",
    ask: http(
      (model) => `/v1/models/${model}:predict`,
      (inputs) => ({ inputs: byName(inputs, (values) => [values]) }),
    ),
  },
  {
    front: "TF Serving gRPC",
    ask: grpc("/tensorflow.serving.PredictionService/Predict", (model, inputs) =>
      runNow(encodeRequest({ inputs, outputs: [], model: { name: model, signature: "" } })),
    ),
  },
  { front: "KServe V1", dialect: "kserve-v1", ask: http((model) => `/v1/models/${model}:predict`, instances) },
  { front: "TorchServe", ask: http((model) => `/predictions/${model}`, instances) },
  { front: "SageMaker", ask: http((model) => `/endpoints/${model}/invocations`, instances) },
];

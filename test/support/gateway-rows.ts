// A gateway of small models with known answers, for the front protocols that speak in rows.

import type { Call } from "../../core/call.ts";
import { InferError, invalid } from "../../core/error.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { joinBytesElements, NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { type FakeBackend, fakeBackend } from "./gateway-fake-backend.ts";
import { wholeReply } from "./scripted.ts";

export interface RowGateway {
  readonly gateway: TestGateway;
  readonly fake: FakeBackend;
  /** What the models were asked, in turn. */
  readonly asked: readonly { readonly request: InferRequest; readonly call: Call }[];
  /** Posts JSON, or bytes as they are. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  get(path: string): Promise<Answered>;
}

export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

export const floats = (name: string, shape: readonly number[], ...values: readonly number[]): Tensor => ({
  name,
  datatype: "FP32",
  shape,
  data: new Uint8Array(new Float32Array(values).buffer),
});

export const texts = (name: string, ...values: readonly (string | Uint8Array)[]): Tensor => ({
  name,
  datatype: "BYTES",
  shape: [values.length],
  data: joinBytesElements(values.map((value) => Buffer.from(value as string))),
});

export const floatsIn = (tensor: Tensor | undefined): readonly number[] => [
  ...new Float32Array(Uint8Array.from(tensor?.data ?? []).buffer),
];

/** y = x / 2 + 2, as TensorFlow Serving's own example. */
const half: Service = async ({ inputs, model }) => {
  const [x] = inputs;
  if (x?.name !== "x" || x.datatype !== "FP32") throw invalid(`input size does not match signature: ${x?.name}`);
  const y = floats("y", x.shape, ...floatsIn(x).map((value) => value / 2 + 2));
  return wholeReply(model.name, versionOf(model), { outputs: [y] });
};

function versionOf({ select }: InferRequest["model"]): string {
  return select.by === "version" ? select.version : "1";
}

const echo: Service = async ({ task, inputs, model }) => {
  if (task === "classify" || task === "regress") throw new InferError("unsupported", `a server that cannot ${task}`);
  return wholeReply(model.name, versionOf(model), { outputs: inputs });
};

const HALF = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
} as const;

/** The usual one, and one that classifies examples. */
const SIGNATURES = new Map([
  ["serving_default", { ...HALF, method: "tensorflow/serving/predict" }],
  [
    "classify_x",
    {
      inputs: [{ name: "inputs", datatype: "BYTES", shape: [-1] }],
      outputs: [{ name: "scores", datatype: "FP32", shape: [-1, 2] }],
      method: "tensorflow/serving/classify",
    },
  ],
] as const);

/**
 * `half` in the versions 1, 2 (label stable) and 3 (label canary), `pair` of two inputs, `echo` whose signature nobody tells,
 * `tensorflow` of several signatures, `slow` that is still loading.
 */
export async function rowGateway(models = ""): Promise<RowGateway> {
  const fake = fakeBackend();
  const tensorflow = fakeBackend("tensorflow", { signatures: true });
  const asked: RowGateway["asked"][number][] = [];
  const kept =
    (service: Service): Service =>
    (request, call) => {
      asked.push({ request, call });
      return service(request, call);
    };
  fake.put("half", "1", { service: kept(half), ...HALF });
  fake.put("half", "2", { service: kept(half), ...HALF, label: "stable" });
  fake.put("half", "3", { service: kept(half), ...HALF, label: "canary" });
  const pair = [
    { name: "b", datatype: "INT64", shape: [-1] },
    { name: "a", datatype: "FP32", shape: [-1, 2] },
  ] as const;
  fake.put("pair", "1", { service: kept(echo), inputs: pair, outputs: pair });
  const words = [{ name: "t", datatype: "BYTES", shape: [-1] }] as const;
  const twice: Service = async (request, call) => {
    const { outputs: all } = (await echo(request, call)) as InferResponse;
    const [t] = all;
    const outputs = [t, t && { ...t, name: "raw_bytes" }].filter((one) => one !== undefined);
    return wholeReply("words", "1", { outputs });
  };
  fake.put("words", "1", { service: kept(twice), inputs: words });
  fake.put("echo", "1", { service: kept(echo) });
  tensorflow.put("tensorflow", "7", { service: kept(tasks), ...HALF, signatures: SIGNATURES });
  const gateway = await startGateway({
    yaml: `backends: {local: {kind: fake}, tf: {kind: tensorflow}}\n${models}`,
    kinds: [fake.kind, tensorflow.kind],
  });
  // not before: a gateway starts when nothing is loading any longer
  fake.put("slow", "1", { service: kept(half), ...HALF, state: "loading", reason: "still loading" });
  const ask = async (what: Parameters<TestGateway["ask"]>[0]): Promise<Answered> => {
    const { status, body, headers } = await gateway.ask(what);
    return { status, text: `${body}`, headers };
  };
  return {
    gateway,
    fake,
    asked,
    post: (path, body, headers = {}) => ask({ path, headers, body: bodyOf(body) }),
    get: (path) => ask({ path }),
  };
}

function bodyOf(body: unknown): string | Uint8Array {
  return typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
}

/** Two classes for each example, or one value. */
const tasks: Service = async ({ task, inputs, model }) => {
  const rows = inputs[0]?.shape[0] ?? 0;
  const version = versionOf(model);
  const each = (count: number) => Array.from({ length: rows * count }, (_, i) => i / 2);
  if (task === "regress") {
    return wholeReply(model.name, version, { outputs: [floats("outputs", [rows], ...each(1))] });
  }
  if (task === "infer") return half({ ...NO_REQUEST, inputs, model }, undefined as never);
  const classes = { ...texts("classes", ...each(2).map((_, i) => `c${i}`)), shape: [rows, 2] };
  return wholeReply(model.name, version, { outputs: [classes, floats("scores", [rows, 2], ...each(2))] });
};

const NO_REQUEST = { task: "infer", parameters: NO_PARAMETERS, stream: false } as const;

// TensorFlow Serving's Classify, Regress and MultiInference over gRPC: requests and answers, both ways.

import { InferError, invalid } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Sliced } from "./sliced.ts";
import { classTensors, regressionTensor, type ScoredClass } from "./tfs-examples.ts";
import { type ModelSpec, specOf, wireSpec } from "./tfs-proto.ts";
import {
  classificationResponse,
  examplesRequest,
  multiInferenceRequest,
  multiInferenceResponse,
  regressionResponse,
} from "./tfs-proto-service.ts";

/** What ClassificationRequest and RegressionRequest say. */
export interface TfsExamples {
  readonly model?: ModelSpec;
  /** Serialized; the context's features are in each of them. */
  readonly examples: readonly Uint8Array[];
}

/** What their answers say. */
export interface TfsTaskAnswer {
  readonly model?: ModelSpec;
  readonly outputs: readonly Tensor[];
}

type WireInput = ReturnType<typeof examplesRequest.decode>["input"];

/** Reads either request. @throws InferError invalid-argument for what is no such message, or has no examples */
export function decodeExamplesRequest(message: Uint8Array): TfsExamples {
  const { model_spec, input } = examplesRequest.decode(message);
  return { examples: examplesIn(input), ...modelOf(model_spec) };
}

function examplesIn(input: WireInput): readonly Uint8Array[] {
  const list = input?.example_list?.examples ?? [];
  const { examples = [], context } = input?.example_list_with_context ?? {};
  // two messages one behind the other are one: an example's own features hold, as TF Serving has it
  const shared = context === undefined ? examples : examples.map((example) => Buffer.concat([context, example]));
  const all = list.length > 0 ? list : shared;
  if (all.length === 0) throw invalid("expected examples, got none");
  return all;
}

/** Writes either request. */
export function encodeExamplesRequest({ model, examples }: TfsExamples): Uint8Array {
  return examplesRequest.encode({ ...wireModel(model), input: inputOf(examples) });
}

function inputOf(examples: readonly Uint8Array[]): WireInput {
  return { example_list: { examples }, example_list_with_context: undefined };
}

/** Reads ClassificationResponse: `classes` and `scores`. @throws InferError bad-backend for what is no such message */
export function* decodeClassifyResponse(message: Uint8Array): Sliced<TfsTaskAnswer> {
  return answer(() => {
    const { result, model_spec } = classificationResponse.decode(message);
    const outputs = classTensors((result?.classifications ?? []).map(({ classes }) => classes));
    return { outputs, ...modelOf(model_spec) };
  });
}

/** Reads RegressionResponse: `outputs`. @throws InferError bad-backend for what is no such message */
export function* decodeRegressResponse(message: Uint8Array): Sliced<TfsTaskAnswer> {
  return answer(() => {
    const { result, model_spec } = regressionResponse.decode(message);
    return {
      outputs: [regressionTensor((result?.regressions ?? []).map(({ value }) => value))],
      ...modelOf(model_spec),
    };
  });
}

/** Writes ClassificationResponse. */
export function encodeClassifyResponse(
  results: readonly (readonly ScoredClass[])[],
  model: ModelSpec | undefined,
): Uint8Array {
  return classificationResponse.encode({ result: classification(results), ...wireModel(model) });
}

/** Writes RegressionResponse. */
export function encodeRegressResponse(values: readonly number[], model: ModelSpec | undefined): Uint8Array {
  return regressionResponse.encode({ result: regression(values), ...wireModel(model) });
}

function classification(results: readonly (readonly ScoredClass[])[]) {
  return { classifications: results.map((classes) => ({ classes })) };
}

function regression(values: readonly number[]) {
  return { regressions: values.map((value) => ({ value })) };
}

/** One of several questions about the same examples. */
export interface TfsInferenceTask {
  readonly model?: ModelSpec;
  /** `tensorflow/serving/classify` or `tensorflow/serving/regress`. */
  readonly method: string;
}

/** Reads MultiInferenceRequest. @throws InferError invalid-argument for what is no such message, or has no examples */
export function decodeMultiRequest(message: Uint8Array): {
  readonly tasks: readonly TfsInferenceTask[];
  readonly examples: readonly Uint8Array[];
} {
  const { tasks, input } = multiInferenceRequest.decode(message);
  return {
    tasks: tasks.map(({ model_spec, method_name }) => ({ method: method_name, ...modelOf(model_spec) })),
    examples: examplesIn(input),
  };
}

/** Writes MultiInferenceRequest. */
export function encodeMultiRequest(tasks: readonly TfsInferenceTask[], examples: readonly Uint8Array[]): Uint8Array {
  const wire = tasks.map(({ model, method }) => ({ model_spec: undefined, ...wireModel(model), method_name: method }));
  return multiInferenceRequest.encode({ tasks: wire, input: inputOf(examples) });
}

/** One task's answer: classes or values. */
export type TfsInferenceResult = { readonly model?: ModelSpec } & (
  | { readonly task: "classify"; readonly results: readonly (readonly ScoredClass[])[] }
  | { readonly task: "regress"; readonly values: readonly number[] }
);

/** Reads MultiInferenceResponse. @throws InferError bad-backend for what is no such message */
export function decodeMultiResponse(message: Uint8Array): readonly TfsInferenceResult[] {
  return answer(() =>
    multiInferenceResponse
      .decode(message)
      .results.map(({ model_spec, classification_result: classes, regression_result: values }): TfsInferenceResult => {
        const model = modelOf(model_spec);
        if (classes !== undefined) {
          return { task: "classify", results: classes.classifications.map((each) => each.classes), ...model };
        }
        if (values === undefined) throw invalid("expected classifications or regressions, got neither");
        return { task: "regress", values: values.regressions.map(({ value }) => value), ...model };
      }),
  );
}

/** Writes MultiInferenceResponse. */
export function encodeMultiResponse(results: readonly TfsInferenceResult[]): Uint8Array {
  return multiInferenceResponse.encode({
    results: results.map((result) => ({
      model_spec: undefined,
      ...wireModel(result.model),
      classification_result: result.task === "classify" ? classification(result.results) : undefined,
      regression_result: result.task === "regress" ? regression(result.values) : undefined,
    })),
  });
}

type WireModel = ReturnType<typeof examplesRequest.decode>["model_spec"];

function modelOf(spec: WireModel): { readonly model?: ModelSpec } {
  return spec === undefined ? {} : { model: specOf(spec) };
}

function wireModel(model: ModelSpec | undefined): { readonly model_spec?: NonNullable<WireModel> } {
  return model === undefined ? {} : { model_spec: wireSpec(model) };
}

function answer<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

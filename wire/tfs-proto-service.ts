// TensorFlow Serving's small messages over gRPC: classification and regression, metadata, status; both ways.

import { BOOL, BYTES, FLOAT, INT32, INT64, many, mapOf, maybe, message, one, TEXT } from "./protobuf-table.ts";
import { MODEL_SPEC } from "./tfs-proto.ts";

// Source: tensorflow_serving/apis/input.proto. An Example stays as it is serialized.
const input = message({
  example_list: maybe(1, message({ examples: many(1, BYTES) })),
  example_list_with_context: maybe(2, message({ examples: many(1, BYTES), context: maybe(2, BYTES) })),
});

/** ClassificationRequest and RegressionRequest, which are the same on the wire. */
export const examplesRequest = message({ model_spec: maybe(1, MODEL_SPEC), input: maybe(2, input) });

// Source: tensorflow_serving/apis/classification.proto, regression.proto.
const classificationResult = message({
  classifications: many(1, message({ classes: many(1, message({ label: one(1, TEXT), score: one(2, FLOAT) })) })),
});
const regressionResult = message({ regressions: many(1, message({ value: one(1, FLOAT) })) });

export const classificationResponse = message({
  result: maybe(1, classificationResult),
  model_spec: maybe(2, MODEL_SPEC),
});

export const regressionResponse = message({ result: maybe(1, regressionResult), model_spec: maybe(2, MODEL_SPEC) });

/** MultiInferenceRequest. Source: tensorflow_serving/apis/inference.proto. */
export const multiInferenceRequest = message({
  tasks: many(1, message({ model_spec: maybe(1, MODEL_SPEC), method_name: one(2, TEXT) })),
  input: maybe(2, input),
});

export const multiInferenceResponse = message({
  results: many(
    1,
    message({
      model_spec: maybe(1, MODEL_SPEC),
      classification_result: maybe(2, classificationResult),
      regression_result: maybe(3, regressionResult),
    }),
  ),
});

/** Source: tensorflow_serving/apis/get_model_metadata.proto; a value is a google.protobuf.Any. */
export const modelMetadataRequest = message({ model_spec: maybe(1, MODEL_SPEC), metadata_field: many(2, TEXT) });
export const modelMetadataResponse = message({
  model_spec: maybe(1, MODEL_SPEC),
  metadata: mapOf(2, TEXT, message({ type_url: one(1, TEXT), value: one(2, BYTES) })),
});

// Source: tensorflow/core/protobuf/meta_graph.proto, tensor_shape.proto.
const tensorInfo = message({
  name: one(1, TEXT),
  dtype: one(2, INT32),
  tensor_shape: maybe(
    3,
    message({
      dim: many(2, message({ size: one(1, INT64), name: one(2, TEXT) })),
      unknown_rank: one(3, BOOL),
    }),
  ),
});

/** What the Any under `signature_def` holds. */
export const signatureDefMap = message({
  signature_def: mapOf(
    1,
    TEXT,
    message({ inputs: mapOf(1, TEXT, tensorInfo), outputs: mapOf(2, TEXT, tensorInfo), method_name: one(3, TEXT) }),
  ),
});

/** The type of that Any. */
export const SIGNATURE_DEF_MAP = "type.googleapis.com/tensorflow.serving.SignatureDefMap";

export const modelStatusRequest = message({ model_spec: maybe(1, MODEL_SPEC) });

export const modelStatusResponse = message({
  model_version_status: many(
    1,
    message({
      version: one(1, INT64),
      state: one(2, INT32),
      status: maybe(3, message({ error_code: one(1, INT32), error_message: one(2, TEXT) })),
    }),
  ),
});

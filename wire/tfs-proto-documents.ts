// What TensorFlow Serving tells over gRPC of its models: signatures and states, both ways.

import { InferError } from "../core/error.ts";
import { datatypeOfNumber, numberOf, wordOfNumber } from "./tfs-datatypes.ts";
import { type ModelSpec, specOf, wireSpec } from "./tfs-proto.ts";
import {
  modelMetadataRequest,
  modelMetadataResponse,
  modelStatusRequest,
  modelStatusResponse,
  SIGNATURE_DEF_MAP,
  signatureDefMap,
} from "./tfs-proto-service.ts";
import type { TfsMetadata, TfsTensorInfo, TfsVersionStatus } from "./tfs-signatures.ts";

/** The one field of metadata that TF Serving has. */
const SIGNATURE_DEF = "signature_def";

/** The states of a version by number. Source: tensorflow_serving/apis/get_model_status.proto. */
const STATES: ReadonlyMap<number, string> = new Map([
  [0, "UNKNOWN"],
  [10, "START"],
  [20, "LOADING"],
  [30, "AVAILABLE"],
  [40, "UNLOADING"],
  [50, "END"],
]);

/** Writes GetModelMetadataRequest, which asks for the signatures. */
export function encodeMetadataRequest(model: ModelSpec): Uint8Array {
  return modelMetadataRequest.encode({ model_spec: wireSpec(model), metadata_field: [SIGNATURE_DEF] });
}

/** Reads GetModelMetadataRequest. @throws InferError invalid-argument for what is no such message */
export function decodeMetadataRequest(message: Uint8Array): {
  readonly model: ModelSpec | undefined;
  readonly fields: readonly string[];
} {
  const { model_spec, metadata_field } = modelMetadataRequest.decode(message);
  return { model: model_spec === undefined ? undefined : specOf(model_spec), fields: metadata_field };
}

/** Writes GetModelMetadataResponse. */
export function encodeMetadata({ name, version, signatures }: TfsMetadata): Uint8Array {
  const wire = new Map(
    [...signatures].map(([key, { inputs, outputs, method }]) => [
      key,
      { inputs: wireInfos(inputs), outputs: wireInfos(outputs), method_name: method },
    ]),
  );
  const value = signatureDefMap.encode({ signature_def: wire });
  return modelMetadataResponse.encode({
    // other servers have versions that are no numbers
    model_spec: wireSpec({ name, signature: "", ...(/^\d{1,18}$/.test(version) ? { version: BigInt(version) } : {}) }),
    metadata: new Map([[SIGNATURE_DEF, { type_url: SIGNATURE_DEF_MAP, value }]]),
  });
}

/** Reads GetModelMetadataResponse. @throws InferError bad-backend for what is no such message */
export function decodeMetadata(message: Uint8Array): TfsMetadata {
  return answer(() => {
    const { model_spec, metadata } = modelMetadataResponse.decode(message);
    const { signature_def } = signatureDefMap.decode(metadata.get(SIGNATURE_DEF)?.value ?? new Uint8Array(0));
    const read = [...signature_def].map(([name, { inputs, outputs, method_name }]) => {
      return [name, { inputs: readInfos(inputs), outputs: readInfos(outputs), method: method_name }] as const;
    });
    const spec = model_spec === undefined ? undefined : specOf(model_spec);
    return { name: spec?.name ?? "", version: String(spec?.version ?? ""), signatures: new Map(read) };
  });
}

/** Writes GetModelStatusRequest. */
export function encodeStatusRequest(model: ModelSpec): Uint8Array {
  return modelStatusRequest.encode({ model_spec: wireSpec(model) });
}

/** Reads GetModelStatusRequest. @throws InferError invalid-argument for what is no such message */
export function decodeStatusRequest(message: Uint8Array): ModelSpec | undefined {
  const { model_spec } = modelStatusRequest.decode(message);
  return model_spec === undefined ? undefined : specOf(model_spec);
}

/** Writes GetModelStatusResponse. */
export function encodeStatus(versions: readonly TfsVersionStatus[]): Uint8Array {
  const numbers = new Map([...STATES].map(([number, state]) => [state, number]));
  return modelStatusResponse.encode({
    model_version_status: versions.map(({ version, state, message }) => ({
      version: BigInt(version),
      state: numbers.get(state) ?? 0,
      status: { error_code: message === "" ? 0 : 2, error_message: message },
    })),
  });
}

/** Reads GetModelStatusResponse. @throws InferError bad-backend for what is no such message */
export function decodeStatus(message: Uint8Array): readonly TfsVersionStatus[] {
  return answer(() =>
    modelStatusResponse.decode(message).model_version_status.map(({ version, state, status }) => ({
      version: String(version),
      state: STATES.get(state) ?? String(state),
      message: status?.error_message ?? "",
    })),
  );
}

type WireInfos = Parameters<typeof readInfos>[0];

function readInfos(
  infos: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly dtype: number;
      readonly tensor_shape:
        | { readonly dim: readonly { readonly size: bigint; readonly name: string }[]; readonly unknown_rank: boolean }
        | undefined;
    }
  >,
): readonly TfsTensorInfo[] {
  return [...infos].map(([name, { dtype, tensor_shape }]) => ({
    name,
    datatype: datatypeOfNumber(dtype),
    dtype: wordOfNumber(dtype),
    shape:
      tensor_shape === undefined || tensor_shape.unknown_rank
        ? undefined
        : tensor_shape.dim.map(({ size }) => Number(size)),
  }));
}

function wireInfos(infos: readonly TfsTensorInfo[]): WireInfos {
  return new Map(
    infos.map(({ name, datatype, shape }) => [
      name,
      {
        name: `${name}:0`,
        dtype: datatype === undefined ? 0 : numberOf(datatype),
        tensor_shape: {
          dim: (shape ?? []).map((size) => ({ size: BigInt(size), name: "" })),
          unknown_rank: shape === undefined,
        },
      },
    ]),
  );
}

function answer<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

// The Open Inference Protocol's model repository over JSON, and what Triton's model config says of a signature, both ways.

import { InferError } from "../core/error.ts";
import type { ModelState } from "../core/event.ts";
import type { ModelStatus } from "../core/model.ts";

/** A model as an index has it: without a version where it has none, or where none is loaded. */
export type IndexEntry = Omit<ModelStatus, "version"> & { readonly version?: string };

const STATES: ReadonlyMap<string, ModelState> = new Map([
  ["READY", "ready"],
  ["LOADING", "loading"],
  ["UNLOADING", "unloading"],
  ["UNAVAILABLE", "unavailable"],
]);

/** The body of `POST /v2/repository/index`: Triton's words for the states. */
export function encodeIndex(models: readonly IndexEntry[]) {
  return models.map(({ name, version, state, reason }) => ({
    name,
    ...(version === undefined ? {} : { version }),
    state: state.toUpperCase(),
    ...(reason === undefined ? {} : { reason }),
  }));
}

/** Reads that body. A model that was never loaded has only its name. @throws InferError bad-backend for anything else */
export function decodeIndex(body: Uint8Array): readonly IndexEntry[] {
  const list = parseAnswer(body);
  if (!Array.isArray(list)) throw wrong("an array of models", list);
  return list.map((item: unknown): IndexEntry => {
    if (!isObject(item) || typeof item.name !== "string") throw wrong("an object with a name for each model", item);
    const said = typeof item.reason === "string" && item.reason !== "" ? item.reason : undefined;
    const word = typeof item.state === "string" ? item.state : "";
    const reason = said ?? (word === "" ? "not loaded" : undefined);
    return {
      name: item.name,
      state: STATES.get(word) ?? "unavailable",
      ...(typeof item.version === "string" && item.version !== "" ? { version: item.version } : {}),
      ...(reason === undefined ? {} : { reason }),
    };
  });
}

/** Reads KServe's `GET /v2/models`: the names of its models. @throws InferError bad-backend for anything else */
export function decodeModelNames(body: Uint8Array): readonly string[] {
  const answer = parseAnswer(body);
  const names = isObject(answer) ? answer.models : undefined;
  if (!Array.isArray(names)) throw wrong('an array of names as "models"', answer);
  return names.map((name: unknown) => {
    if (typeof name === "string") return name;
    throw wrong('names in "models"', name);
  });
}

/** What of a model's config bears on how it is asked. */
export interface ConfigFacts {
  /** 0 where the model takes no batches. */
  readonly maxBatchSize: number;
  readonly decoupled: boolean;
  /** It keeps state from request to request of a sequence. */
  readonly stateful: boolean;
  /** Inputs that may be left out. */
  readonly optional: ReadonlySet<string>;
}

/**
 * Reads the body of `GET /v2/models/{model}/config`: Triton's ModelConfig as JSON.
 *
 * @throws InferError bad-backend for anything else
 */
export function decodeModelConfig(body: Uint8Array): { readonly facts: ConfigFacts; readonly config: unknown } {
  const config = parseAnswer(body);
  if (!isObject(config)) throw wrong("an object", config);
  const { max_batch_size: size, model_transaction_policy: policy, sequence_batching: sequence, input } = config;
  const inputs: readonly unknown[] = Array.isArray(input) ? input : [];
  const optional = inputs.flatMap((each) =>
    isObject(each) && each.optional === true && typeof each.name === "string" ? [each.name] : [],
  );
  // protobuf's JSON has 64-bit numbers as strings, and some write all of them so
  const maxBatchSize = Number(size ?? 0);
  if (!Number.isSafeInteger(maxBatchSize)) throw wrong('a whole number as "max_batch_size"', size);
  return {
    config,
    facts: {
      maxBatchSize,
      decoupled: isObject(policy) && policy.decoupled === true,
      stateful: sequence !== undefined && sequence !== null,
      optional: new Set(optional),
    },
  };
}

/** Reads any small JSON body. @throws InferError bad-backend when it is not JSON */
export function parseAnswer(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (cause) {
    throw new InferError("bad-backend", "the backend's answer is not JSON", { cause });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(expected: string, got: unknown): InferError {
  const shown = got === undefined ? "nothing" : JSON.stringify(got).slice(0, 40);
  return new InferError("bad-backend", `the backend's answer: expected ${expected}, got ${shown}`);
}

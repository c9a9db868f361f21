// Recent requests of each model with their answers: copies, few and small, for endpoints that are to be warmed up.

import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/env.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";

/** A request that was answered, or that the config has. */
export interface Recorded {
  readonly request: InferRequest;
  /** What came, and how long it took; absent where only the request is known. */
  readonly answer?: { readonly outputs: readonly Tensor[]; readonly ranMs: number };
}

export interface WarmRecord {
  /** Keeps a copy now and then of what a healthy endpoint has answered a user. */
  offer(
    request: InferRequest,
    answered: { readonly response: InferResponse; readonly ranMs: number; readonly call: Call },
  ): void;
  /** What there is of a model, from old to new. */
  of(model: string): readonly Recorded[];
}

/** Models of which requests are kept. */
const MOST_MODELS = 256;
/** Of one request with its answer, and of all of one model. */
const MOST_BYTES = 256 * 1024;
/** Once there are as many as are wanted, another takes the place of the oldest after this long. */
const EVERY_MS = 10_000;

/** @param requests how many are kept of each model */
export function openWarmRecord(requests: number, clock: Clock): WarmRecord {
  const models = new Map<string, { readonly kept: Recorded[]; at: number }>();
  return {
    offer(request, { response, ranMs, call }) {
      if (call.purpose !== "user" || call.sequence !== undefined || request.task !== "infer") return;
      const { name } = request.model;
      const known = models.get(name);
      const now = clock.now();
      if (known !== undefined && known.kept.length >= requests && now - known.at < EVERY_MS) return;
      if (known === undefined && models.size >= MOST_MODELS) return;
      if (bytesOf(request.inputs) + bytesOf(response.outputs) > MOST_BYTES) return;
      const entry = known ?? { kept: [], at: now };
      models.set(name, entry);
      entry.at = now;
      // copies: what came by is lent
      entry.kept.push({
        request: { ...request, inputs: request.inputs.map(copyOf) },
        answer: { outputs: response.outputs.map(copyOf), ranMs },
      });
      if (entry.kept.length > requests) entry.kept.shift();
    },
    of: (model) => [...(models.get(model)?.kept ?? [])],
  };
}

function bytesOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
}

function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: Uint8Array.from(tensor.data) };
}

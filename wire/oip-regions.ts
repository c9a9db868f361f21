// The parameters by which a tensor of the Open Inference Protocol lies in shared memory in place of the message.

import { InferError, invalid } from "../core/error.ts";
import type { RegionPart } from "../core/operator.ts";
import type { Parameters, ParameterValue } from "../core/tensor.ts";
import type { Sliced } from "./sliced.ts";

/** Reads the bytes of an input. @throws InferError saying why they cannot be read */
export type ReadRegion = (part: RegionPart) => Sliced<Uint8Array>;

/** Triton's names. Source: Triton, extension_shared_memory.md. */
const REGION = "shared_memory_region";
const BYTES = "shared_memory_byte_size";
const OFFSET = "shared_memory_offset";

/**
 * Where a tensor lies, and its other parameters; no part for one that lies in the message.
 *
 * @param label `input "x"`: how errors name it
 * @throws InferError invalid-argument for a region without a size, a value of the wrong kind, and for the parameters of a
 * region without its name
 */
export function takeRegion(
  parameters: Parameters,
  label: string,
): { readonly part: RegionPart | undefined; readonly rest: Parameters } {
  const region = parameters.get(REGION);
  if (region === undefined) {
    if (!parameters.has(BYTES) && !parameters.has(OFFSET)) return { part: undefined, rest: parameters };
    throw invalid(`${label}: expected the parameter ${REGION} beside its size and offset, got none`);
  }
  if (typeof region !== "string" || region === "") throw invalid(`${label}: ${REGION}: expected the name of a region`);
  const rest = new Map(parameters);
  for (const key of [REGION, BYTES, OFFSET]) rest.delete(key);
  const bytes = size(parameters.get(BYTES), `${label}: ${BYTES}`);
  return { part: { region, bytes, offset: size(parameters.get(OFFSET) ?? 0n, `${label}: ${OFFSET}`) }, rest };
}

function size(value: ParameterValue | undefined, label: string): number {
  if (typeof value === "bigint" && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalid(`${label}: expected a whole number of at least 0, got ${value ?? "none"}`);
}

/** The parameters that say where an output lies. */
export function regionParameters({
  region,
  bytes,
  offset,
}: RegionPart): readonly (readonly [string, ParameterValue])[] {
  const where: (readonly [string, ParameterValue])[] = [
    [REGION, region],
    [BYTES, BigInt(bytes)],
  ];
  return offset === 0 ? where : [...where, [OFFSET, BigInt(offset)]];
}

/** The bytes of an input. @throws InferError unsupported where nobody reads regions */
export function* readPart(part: RegionPart, label: string, read: ReadRegion | undefined): Sliced<Uint8Array> {
  if (read !== undefined) return yield* read(part);
  throw new InferError("unsupported", `${label}: shared memory is off here`);
}

// Which signature of a model a request of TensorFlow Serving means, and what is known of it.

import { InferError } from "../../../core/error.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import type { Planes } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { DEFAULT_SIGNATURE } from "../../../wire/tfs-signatures.ts";

/**
 * What the model takes and gives, where anybody can tell it now; undefined where nobody can, or where it says nothing.
 * A model that is not there is found out when it is asked, behind the mistakes in the body.
 *
 * @throws InferError cancelled when the caller has left
 */
export async function knownSignature(
  planes: Planes,
  model: ModelRef,
  signal: AbortSignal,
): Promise<ModelMetadata | undefined> {
  try {
    const told = await planes.data.signature(model, signal);
    return told.inputs.length === 0 ? undefined : told;
  } catch (error) {
    if (error instanceof InferError && error.code !== "cancelled") return undefined;
    throw error;
  }
}

/** Whether the name means the signature that is meant when none is named. */
export function isDefault(signature: string | undefined): boolean {
  return signature === undefined || signature === "" || signature === DEFAULT_SIGNATURE;
}

/** The signature as a request of the house has it: absent where none is named. */
export function signatureAsked(signature: string | undefined): { readonly signature?: string } {
  return signature === undefined || signature === "" ? {} : { signature };
}

// The states of a model's versions as TensorFlow Serving tells them.

import { InferError } from "../../../core/error.ts";
import type { Planes } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { type TfsVersionStatus, tfsStatusOf } from "../../../wire/tfs-signatures.ts";
import { noStatus } from "./faults.ts";

/**
 * The versions, newest first: all of them, or the one that is named; a label is not looked at, as TensorFlow Serving has it.
 *
 * @throws InferError not-found for a model or version that is not there
 */
export function statusOf(planes: Planes, model: ModelRef): readonly TfsVersionStatus[] {
  const { select } = model;
  const wanted = knownVersions(planes, model).filter(
    ({ version }) => select.by !== "version" || version === select.version,
  );
  if (wanted.length === 0) throw noStatus(model);
  return wanted.map(tfsStatusOf).reverse();
}

function knownVersions(planes: Planes, model: ModelRef) {
  try {
    return planes.data.versions(model.name);
  } catch (error) {
    if (error instanceof InferError && error.code === "not-found") throw noStatus({ ...model, select: DEFAULT });
    throw error;
  }
}

const DEFAULT = { by: "default" } as const;

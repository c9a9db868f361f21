// The paths of models on a server of the Open Inference Protocol.

import type { BackendModel } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { ModelRef } from "../../core/request.ts";
import type { OipHttpLink } from "./http-link.ts";

type Versions = Pick<OipHttpLink, "quirks" | "unversioned">;

/** The path of the model that a request names. @throws InferError unsupported for a label, which the protocol lacks */
export function modelPath(link: Versions, { name, select }: ModelRef): string {
  if (select.by === "label") {
    throw new InferError("unsupported", `model "${name}": the Open Inference Protocol has no labels of versions`);
  }
  return pathOf(link, select.by === "version" ? { name, version: select.version } : { name });
}

/**
 * The path of a model; without its version where the server, or the model, has none.
 *
 * @throws InferError not-found for another version than "1" of a server without versions
 */
export function pathOf({ quirks, unversioned }: Versions, { name, version }: BackendModel): string {
  const model = `/v2/models/${segment(name)}`;
  if (!quirks.versions && version !== undefined && version !== "1") {
    throw new InferError("not-found", `model "${name}" version ${version}: the server has no versions of its models`);
  }
  const isMadeUp = version === "1" && unversioned.has(name);
  return version === undefined || !quirks.versions || isMadeUp ? model : `${model}/versions/${segment(version)}`;
}

/**
 * A name as one segment of a path. Triton takes what stands there as it is, so only what no path can hold is encoded.
 * Source: RFC 3986, 3.3.
 */
export function segment(name: string): string {
  if (name === "." || name === "..") return name.replaceAll(".", "%2E");
  return encodeURIComponent(name.toWellFormed()).replace(/%(24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
}

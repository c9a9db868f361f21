// The leaf of a route: picks the version that a request names, an endpoint that can take it, and answers under the logical name.

import type { Backend, Endpoint } from "../core/backend.ts";
import { InferError } from "../core/error.ts";
import { answerAs, describe, type ModelRef } from "../core/request.ts";
import type { Service } from "../core/service.ts";

/** Where a logical model runs: a backend and the model's name there. */
export interface Target {
  readonly backend: Backend;
  readonly model: string;
}

/** A Service that answers for a target under the logical `name`. */
export function versionsOf(name: string, target: Target): Service {
  return async (request, call) => {
    const version = chooseVersion({ ...request.model, name }, target);
    const endpoint = chooseEndpoint(target.backend);
    call.trace.learn({ version, backend: target.backend.name, endpoint: endpoint.id });
    const there = { ...request, model: { name: target.model, select: { by: "version", version } as const } };
    return answerAs(await endpoint.infer(there, call), { name, version });
  };
}

/**
 * The version that a reference means now: the one named, the one behind the label, or the newest ready one.
 *
 * @throws InferError not-found for a version or label that is not there, unavailable when none is ready
 */
export function chooseVersion(ref: ModelRef, target: Target): string {
  const { catalog } = target.backend;
  const ready = catalog.ready(target.model);
  if (ready === undefined) {
    const { name } = target.backend;
    throw new InferError("unavailable", `model "${ref.name}": backend "${name}" has no model "${target.model}" now`);
  }
  switch (ref.select.by) {
    case "default": {
      const newest = ready.at(-1);
      if (newest === undefined) throw notReady(ref, target);
      return newest;
    }
    case "version":
      return checkVersion(ref, ref.select.version, target);
    case "label": {
      const version = catalog.label(target.model, ref.select.label);
      if (version === undefined) throw new InferError("not-found", `${describe(ref)} is not known`);
      return checkVersion(ref, version, target);
    }
    default:
      return ref.select satisfies never;
  }
}

function checkVersion(ref: ModelRef, version: string, target: Target): string {
  if (target.backend.catalog.ready(target.model)?.includes(version)) return version;
  const known = target.backend.catalog.list().some((one) => one.name === target.model && one.version === version);
  if (known) throw notReady(ref, target);
  const versions = target.backend.catalog.ready(target.model) ?? [];
  throw new InferError(
    "not-found",
    `${describe(ref)} is not known: versions ready are ${versions.join(", ") || "none"}`,
  );
}

function notReady(ref: ModelRef, target: Target): InferError {
  const version = ref.select.by === "version" ? ref.select.version : undefined;
  const status = target.backend.catalog
    .list()
    .findLast((one) => one.name === target.model && (version === undefined || one.version === version));
  const why = status?.reason === undefined ? (status?.state ?? "no version") : `${status.state}: ${status.reason}`;
  return new InferError("unavailable", `${describe(ref)} is not ready (${why})`);
}

/** The first endpoint that says it can take work; the balancers of a later release choose better. */
function chooseEndpoint(backend: Backend): Endpoint {
  const endpoint = backend.endpoints.list().find((one) => one.available());
  if (endpoint !== undefined) return endpoint;
  throw new InferError("unavailable", `backend "${backend.name}" has no endpoint that can take work now`);
}

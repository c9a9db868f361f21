// What is wrong between the words for single fronts and the rest of a config: names that are not there, or twice.

import { didYouMean, type Fault } from "./mistakes.ts";
import type { Document } from "./schema.ts";

/** Endpoints that two models have, a model of /invocations or a backend of a passthrough that is not there. */
export function checkFronts(document: Document, backends: readonly string[]): readonly Fault[] {
  return [...checkEndpoints(document), ...checkInvocations(document), ...checkPassthrough(document, backends)];
}

function checkEndpoints({ models = {} }: Document): readonly Fault[] {
  const seen = new Map<string, string>();
  return Object.entries(models).flatMap(([name, { endpoint }]): readonly Fault[] => {
    if (endpoint === undefined) return [];
    const other = seen.get(endpoint);
    seen.set(endpoint, name);
    if (other === undefined) return [];
    const message = `expected a name of its own, got "${endpoint}", which the model "${other}" has`;
    return [{ path: ["models", name, "endpoint"], message }];
  });
}

function checkInvocations({ models, sagemaker }: Document): readonly Fault[] {
  const name = sagemaker?.invocations;
  if (models === undefined || name === undefined || Object.hasOwn(models, name)) return [];
  const known = Object.keys(models);
  const message = `expected a model (${known.join(", ")}), got "${name}"${didYouMean(name, known)}`;
  return [{ path: ["sagemaker", "invocations"], message }];
}

function checkPassthrough({ passthrough = {} }: Document, backends: readonly string[]): readonly Fault[] {
  return Object.entries(passthrough).flatMap(([prefix, { backend }]): readonly Fault[] => {
    if (backend === undefined || backends.includes(backend)) return [];
    const message = `expected a backend (${backends.join(", ")}), got "${backend}"${didYouMean(backend, backends)}`;
    return [{ path: ["passthrough", prefix, "backend"], message }];
  });
}

// Which model and version a request to SageMaker means: by the endpoint's name, or the target that its headers name.

import { InferError, invalid } from "../../../core/error.ts";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef, Select } from "../../../core/request.ts";

/** Source: botocore, sagemaker-runtime/2017-05-13/service-2.json, EndpointName. */
const ENDPOINT = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;

/** Headers that name the model itself, on endpoints that have several. */
const TARGETS = [
  "x-amzn-sagemaker-target-model",
  "x-amzn-sagemaker-inference-component",
  "x-amzn-sagemaker-target-container-hostname",
];

/** Words of the API that nothing here stands for. */
const REFUSED: Readonly<Record<string, string>> = {
  "x-amzn-sagemaker-session-id": "stateful sessions",
  "x-amzn-sagemaker-enable-explanations": "explanations beside answers",
};

/** The variant that SageMaker's console makes for an endpoint that has only one. */
const ALL_TRAFFIC = "AllTraffic";

/**
 * The model that an invocation means. A target beats the endpoint; a variant is a version where it begins with a digit,
 * else a label.
 *
 * @throws InferError invalid-argument for a name that is none, not-found where no model stands behind it, unsupported for
 * sessions and explanations
 */
export function targetOf(wire: WireRequest, planes: Planes): ModelRef {
  const { endpoint = "" } = wire.params;
  if (!ENDPOINT.test(endpoint)) {
    throw invalid(`endpoint "${endpoint}": expected letters, digits and hyphens, at most 63`);
  }
  refuseOthers(wire);
  const target = targetName(wire);
  const name = target === undefined ? endpointModel(endpoint, planes) : targetModel(target, planes);
  return { name, select: selectOf(wire.headers.get("x-amzn-sagemaker-target-variant")) };
}

/** The model of a header such as Target-Model, where the request has one. @throws InferError invalid-argument for two */
export function targetName({ headers }: WireRequest): string | undefined {
  const named = TARGETS.flatMap((name) => headers.get(name) ?? []);
  if (named.length > 1) throw invalid(`expected one of ${TARGETS.join(", ")}, got ${named.length}`);
  return named[0];
}

/** `fraud-7` for `fraud-7` and, as multi-model endpoints have it, `fraud-7.tar.gz`. */
export function targetModel(target: string, { data }: Planes): string {
  const names = data.models();
  const found = [target, target.replace(/\.(tar\.gz|tgz)$/, "")].find((name) => names.includes(name));
  if (found !== undefined) return found;
  throw new InferError("not-found", `target model "${target}" is not known`);
}

function refuseOthers({ headers }: WireRequest): void {
  for (const [name, what] of Object.entries(REFUSED)) {
    if (headers.has(name)) throw new InferError("unsupported", `header ${name}: the gateway has no ${what}`);
  }
}

// The config's word, the model's own name, or the only model whose name has other characters where hyphens stand.
function endpointModel(endpoint: string, { data, sagemaker }: Planes): string {
  const told = sagemaker?.model(endpoint);
  if (told !== undefined) return told;
  const names = data.models();
  if (names.includes(endpoint)) return endpoint;
  const alike = names.filter((name) => name.replace(/[^a-zA-Z0-9]/g, "-") === endpoint);
  const [only, second] = alike;
  if (only !== undefined && second === undefined) return only;
  const why = only === undefined ? "no model has this name or is given it by the word endpoint" : alike.join(", ");
  throw new InferError("not-found", `endpoint "${endpoint}" is not found: ${why}`);
}

function selectOf(variant: string | undefined): Select {
  if (variant === undefined || variant === ALL_TRAFFIC) return { by: "default" };
  return /^\d/.test(variant) ? { by: "version", version: variant } : { by: "label", label: variant };
}

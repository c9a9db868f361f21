// What SageMaker's front is told by the config: endpoints by name, the model of /invocations, whose signatures count.

import { openVerifier } from "../backends/sagemaker/verify.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/env.ts";
import type { RunSliced } from "../core/run.ts";
import type { SageMakerFront } from "../core/sagemaker.ts";

/** The settings of SageMaker's front. */
export function openSageMaker(
  config: Pick<Config, "models" | "sagemaker">,
  { clock, run }: { readonly clock: Clock; readonly run: RunSliced },
): SageMakerFront {
  const endpoints = new Map(
    (config.models ?? []).flatMap(({ name, endpoint }) => (endpoint ? [[endpoint, name]] : [])),
  );
  const { keys = [], region, invocations } = config.sagemaker ?? {};
  return {
    model: (endpoint) => endpoints.get(endpoint),
    invocations,
    ...(keys.length === 0 ? {} : { verify: openVerifier({ keys, region, wall: () => clock.wall(), run }) }),
  };
}

// Every kind of policy, as a literal list: a new one is a file beside this one and a line here.

import type { PolicyKind } from "../core/policy.ts";
import { ab } from "./ab.ts";
import { affinity } from "./affinity.ts";
import { answer } from "./answer.ts";
import { balance } from "./balance.ts";
import { batch } from "./batch.ts";
import { breaker } from "./breaker.ts";
import { cache } from "./cache.ts";
import { canary } from "./canary.ts";
import { deadline } from "./deadline.ts";
import { ejection } from "./ejection.ts";
import { fallback } from "./fallback.ts";
import { hedge } from "./hedge.ts";
import { concurrency, rate } from "./limit.ts";
import { retry } from "./retry.ts";
import { rules } from "./rules.ts";
import { shadow } from "./shadow.ts";
import { timeout } from "./timeout.ts";
import { weighted } from "./weighted.ts";

export const policyKinds: readonly PolicyKind[] = [
  timeout,
  rate as PolicyKind,
  concurrency as PolicyKind,
  balance as PolicyKind,
  batch as PolicyKind,
  breaker as PolicyKind,
  cache as PolicyKind,
  ejection as PolicyKind,
  deadline as PolicyKind,
  hedge as PolicyKind,
  retry as PolicyKind,
  rules as PolicyKind,
  shadow as PolicyKind,
  fallback as PolicyKind,
  answer as PolicyKind,
  canary as PolicyKind,
  ab as PolicyKind,
  weighted as PolicyKind,
  affinity as PolicyKind,
];

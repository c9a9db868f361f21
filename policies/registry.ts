// Every kind of policy, as a literal list: a new one is a file beside this one and a line here.

import type { PolicyKind } from "../core/policy.ts";
import { balance } from "./balance.ts";
import { timeout } from "./timeout.ts";

export const policyKinds: readonly PolicyKind[] = [timeout, balance as PolicyKind];

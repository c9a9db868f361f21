// The kinds of backend and of policy that this gateway has, as the config reads them.

import { backendKinds } from "../backends/registry.ts";
import type { Kinds } from "../config/config.ts";
import { policyKinds } from "../policies/registry.ts";

export const kinds: Kinds = {
  backends: backendKinds,
  policies: policyKinds,
};

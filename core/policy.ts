// The contract of a policy: a name, its options and how it is built.

import type { ZodType } from "zod";
import type { Env } from "./env.ts";
import type { Layer, Router } from "./service.ts";

/** Where a policy stands: in the one fixed order of `gateway/stack.ts`, or as a node of a route's tree. */
export type PolicyKind<Options = unknown> =
  | {
      readonly place: "layer";
      /** The word in the config. */
      readonly word: string;
      readonly options: ZodType<Options>;
      build(options: Options, context: PolicyContext): Layer;
    }
  | {
      readonly place: "route";
      readonly word: string;
      readonly options: ZodType<Options>;
      build(options: Options, context: PolicyContext): Router;
    };

export interface PolicyContext {
  /** The logical model that the policy stands in front of. */
  readonly model: string;
  readonly env: Env;
}

// The contract of a policy: a word of the config, its options and how it is built.

import type { ZodType } from "zod";
import type { Env } from "./env.ts";
import type { Layer, Router } from "./service.ts";

export interface PolicyContext {
  /** The logical model that the policy stands in front of. */
  readonly model: string;
  readonly env: Env;
}

/**
 * A kind of policy: one file and one line in `policies/registry.ts`. A `layer` is a word of a model and stands in the
 * one fixed order of `gateway/stack.ts`; a `route` is a node of a route's tree.
 */
export type PolicyKind<Options = unknown> = LayerKind<Options> | RouteKind<Options>;

export interface LayerKind<Options = unknown> extends Word<Options> {
  readonly place: "layer";
  build(options: Options, context: PolicyContext): Layer;
}

export interface RouteKind<Options = unknown> extends Word<Options> {
  readonly place: "route";
  build(options: Options, context: PolicyContext): Router;
}

interface Word<Options> {
  /** The word in the config, which is also the label in traces and metrics. */
  readonly word: string;
  /** What may follow the word, with a description for the JSON Schema. */
  readonly options: ZodType<Options, unknown>;
}

// The contract of a policy: a word of the config, its options and how it is built.

import type { ZodType } from "zod";
import type { Endpoint } from "./backend.ts";
import type { Call } from "./call.ts";
import type { Env } from "./env.ts";
import type { GuardContext, OpenGuard } from "./guard.ts";
import type { Identity, ModelMetadata, Signature } from "./model.ts";
import type { Branch, Experiment, Exposure, Placed, RouteReport } from "./route.ts";
import type { RunSliced } from "./run.ts";
import type { Layer, Service } from "./service.ts";
import type { SharedStore } from "./store.ts";

export interface PolicyContext {
  /** The logical model that the policy stands in front of. */
  readonly model: string;
  readonly env: Env;
  /** The zone that the gateway itself is in, where the config says it. */
  readonly zone?: string;
  /** What replicas count together, where the config names a store. */
  readonly store?: SharedStore;
}

/**
 * One way to answer a request: an endpoint together with all that stands between it and the logical model (breaker,
 * bridge). Its service answers under the logical model's names.
 */
export interface Candidate {
  readonly endpoint: Endpoint;
  /** Whether it should be given work now: healthy and not tripped. */
  available(): boolean;
  /** Whether a guard before it waits for one call to see how the endpoint is; never, when absent. */
  due?(): boolean;
  /** Whether it had the model when it was last looked at. */
  serves(): boolean;
  /** Refuses at once when a guard before the endpoint keeps it from work. */
  readonly service: Service;
  /** Asks the endpoint whatever its guards say, for a balancer that does not believe them; `service` when absent. */
  readonly anyway?: Service;
}

/** The candidates of one version as they come and go, over all of its targets. */
export interface Candidates {
  list(): readonly Candidate[];
}

/** What a policy at a version's leaf is built with. */
export interface LeafContext extends PolicyContext {
  readonly version: string;
  /** The endpoints below, over all targets of the version. */
  readonly candidates: Candidates;
  /**
   * The version's signature in the logical model's names, kept and refreshed by the backends.
   *
   * @throws InferError when nobody can tell it now
   */
  signature(signal: AbortSignal): Promise<ModelMetadata>;
  /** What the version is made of now: cheap, for every request; absent or undefined where nobody knows. */
  readonly identity?: () => Identity | undefined;
  readonly run: RunSliced;
}

/** What a router is built with. */
export interface RouteContext extends PolicyContext {
  /** The branch as a Service. */
  open(branch: Branch): Service;
  /** One version's own leaf, whatever leads there. */
  version(version: string): Service;
  /** The signature that the model has now. @throws InferError when nobody can tell it */
  signature(signal: AbortSignal): Promise<ModelMetadata>;
  /** Whether the caller may force a variant. */
  tester(call: Call): boolean;
  /** Notes an exposure; never blocks and never throws. */
  expose(exposure: Exposure): void;
  /** Shows what the router has found out to whoever asks the gateway. */
  report(read: () => RouteReport): void;
  readonly run: RunSliced;
}

/**
 * A kind of policy: one file and one line in `policies/registry.ts`. A `layer` is a word of a model and stands in the
 * one fixed order of `gateway/stack.ts` above the route; a `leaf` stands, in that order too, below it, once for each version; a
 * `route` is the kind of a node of a route's tree; the `balance` chooses among a version's candidates; an `endpoint` stands
 * before each endpoint, once for all models that share its words. A call whose purpose is `explain` passes down through all but the
 * last: whatever it meets decides as for a real one, and takes, counts and sends nothing.
 */
export type PolicyKind<Options = unknown> = WordKind<Options> | RouteKind<Options>;

/** The kinds whose words stand beside each other in a model. */
export type WordKind<Options = unknown> =
  | LayerKind<Options>
  | LeafKind<Options>
  | SharedLeafKind<Options>
  | BalanceKind<Options>
  | EndpointKind<Options>;

export interface LayerKind<Options = unknown> extends Word<Options> {
  readonly place: "layer";
  build(options: Options, context: PolicyContext): Layer;
  /** The word may stand at the top of the config too, and is then one layer for all requests. */
  readonly atTop?: TopWord;
}

/** What a word means at the top of the config: above the look-up of a request's model. */
export interface TopWord<Options = unknown> {
  /** What may follow the word there, with a description for the JSON Schema. */
  readonly options: ZodType<Options, unknown>;
  build(options: Options, context: Omit<PolicyContext, "model">): Layer;
}

export interface LeafKind<Options = unknown> extends Word<Options> {
  readonly place: "leaf";
  /** What holds where neither the model nor its backend says anything; without it there is no such layer then. */
  readonly fallback?: Options;
  build(options: Options, context: LeafContext): Layer;
}

export interface SharedLeafKind<Options = unknown> extends Word<Options> {
  /** Stands as a `leaf` does, yet is one for all versions of the model, which share what it counts. */
  readonly place: "shared-leaf";
  build(options: Options, context: PolicyContext): Layer;
}

export interface EndpointKind<Options = unknown> extends Word<Options> {
  readonly place: "endpoint";
  /** Undefined when the options say that there is to be none. */
  build(options: Options, context: GuardContext): OpenGuard | undefined;
}

export interface RouteKind<Options = unknown> {
  readonly place: "route";
  /** The word of the router in the config, in traces and metrics. */
  readonly word: string;
  readonly underBackend?: false;
  /** What may follow the word; `branch` reads whatever may stand where the router has a branch. */
  options(branch: ZodType<Branch, unknown>): ZodType<Options, unknown>;
  /** The branches in the options, in the order of the config, with the way to each. */
  branches(options: Options): readonly Placed<Branch>[];
  /** The experiment that the router runs, where it runs one under a name that the config gives it. */
  experiment?(options: Options): Experiment | undefined;
  /** What is wrong with the options in front of a model of this signature, with the way to each fault. */
  check?(options: Options, signature: Signature): readonly Placed<string>[];
  /** A Service over Services: it chooses anew for each request. */
  build(options: Options, context: RouteContext): Service;
}

/** Every branch of a route, the whole tree first, with the way to each through the words of the config. */
export function* eachBranch(
  tree: Branch,
  kinds: readonly PolicyKind[],
  path: Placed<Branch>["path"] = [],
): Generator<Placed<Branch>> {
  yield { path, it: tree };
  if (tree.kind === "leaf") return;
  const kind = routeKinds(kinds).find(({ word }) => word === tree.word);
  for (const inner of kind?.branches(tree.options) ?? []) {
    yield* eachBranch(inner.it, kinds, [...path, tree.word, ...inner.path]);
  }
}

/** The kinds whose words stand in a model itself, not inside its route. */
export function wordKinds(kinds: readonly PolicyKind[]): readonly WordKind[] {
  return kinds.filter((kind) => kind.place !== "route");
}

/** The kinds of router. */
export function routeKinds(kinds: readonly PolicyKind[]): readonly RouteKind[] {
  return kinds.filter((kind) => kind.place === "route");
}

export interface BalanceKind<Options = unknown> extends Word<Options> {
  readonly place: "balance";
  /** What holds where neither the model nor its backend says anything. */
  readonly fallback: Options;
  /** One for each version of a logical model: what it learns of times and failures belongs to that version. */
  build(options: Options, context: PolicyContext): (candidates: Candidates) => Service;
}

interface Word<Options> {
  /** The word in the config, which is also the label in traces and metrics. */
  readonly word: string;
  /** What may follow the word, with a description for the JSON Schema. */
  readonly options: ZodType<Options, unknown>;
  /** The word may stand under a backend too, and then holds for every model there that does not have it itself. */
  readonly underBackend?: boolean;
}

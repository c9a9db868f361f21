// The route of a model: the tree of routers that the config describes, over the leaves of its versions.

import { InferError } from "../core/error.ts";
import { type PolicyKind, type RouteContext, routeKinds } from "../core/policy.ts";
import type { ModelRef, Select } from "../core/request.ts";
import { type Branch, branchName, type RouteReport } from "../core/route.ts";
import type { Service } from "../core/service.ts";
import type { Leaves } from "./leaves.ts";
import { chooseVersion, type Versions } from "./versions.ts";

export interface RouteOptions {
  /** The logical model's name. */
  readonly model: string;
  /** The config's tree; the newest version where there is none. */
  readonly tree: Branch | undefined;
  readonly kinds: readonly PolicyKind[];
  readonly versions: Versions;
  readonly leaves: Leaves;
  /** What routers are given beside their branches. */
  readonly context: Omit<RouteContext, "open" | "version" | "report">;
}

export interface Route {
  /** Answers a request: by the version or label that it names, else by the way through the tree. */
  readonly service: Service;
  /** What the routers have found out so far. */
  reports(): readonly RouteReport[];
}

/** Only requests that name neither a version nor a label meet the tree. */
export function openRoute(options: RouteOptions): Route {
  const { model, tree, versions } = options;
  const reports: (() => RouteReport)[] = [];
  const leaf: LeafOf = (version, request, call) => options.leaves.of(version)(request, call);
  const context: RouteContext = {
    ...options.context,
    open: (branch) => openBranch(branch, { options, context, leaf }),
    version: (version) => (request, call) => leaf(version, request, call),
    report: (read) => void reports.push(read),
  };
  const routed = tree === undefined ? undefined : context.open(tree);
  return {
    reports: () => reports.map((read) => read()),
    async service(request, call) {
      const { select } = request.model;
      if (routed !== undefined && select.by === "default") return routed(request, call);
      return leaf(chooseVersion({ name: model, select }, versions), request, call);
    },
  };
}

type LeafOf = (version: string, ...asked: Parameters<Service>) => ReturnType<Service>;

interface Opening {
  readonly options: RouteOptions;
  readonly context: RouteContext;
  readonly leaf: LeafOf;
}

function openBranch(branch: Branch, { options, context, leaf }: Opening): Service {
  if (branch.kind === "leaf") return openNamed(branch.name, options, leaf);
  const kind = routeKinds(options.kinds).find(({ word }) => word === branch.word);
  if (kind === undefined)
    throw new InferError("invalid-argument", `models.${options.model}.route: no router ${branchName(branch)}`);
  return kind.build(branch.options, context);
}

/** The version of that name where there is one, else the one behind the label. */
function openNamed(name: string, { model, versions }: RouteOptions, leaf: LeafOf): Service {
  return async (request, call) => {
    const select: Select = versions.knows(name) ? { by: "version", version: name } : { by: "label", label: name };
    return leaf(versionFor({ name: model, select }, versions), request, call);
  };
}

/** A route that leads nowhere now is not the client's fault, who has named no version. */
function versionFor(ref: ModelRef, versions: Versions): string {
  try {
    return chooseVersion(ref, versions);
  } catch (error) {
    if (!(error instanceof InferError) || error.code !== "not-found") throw error;
    throw new InferError("unavailable", `the route of ${error.message}`, { cause: error });
  }
}

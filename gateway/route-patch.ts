// What an operator asks of a model's route in few words, as values at their places in the config.

import { z } from "zod";
import type { Config } from "../config/config.ts";
import { formatPath } from "../config/mistakes.ts";
import type { Override } from "../core/change.ts";
import { eachBranch, type PolicyKind, routeKinds } from "../core/policy.ts";
import { branchName, type Placed } from "../core/route.ts";

const PATCH = z.strictObject({
  percent: z.union([z.number(), z.record(z.string(), z.number())]).optional(),
  weights: z.record(z.string(), z.number()).optional(),
  labels: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  /** Which router of the tree, where several could be meant. */
  path: z.string().optional(),
});

type Patch = z.output<typeof PATCH>;

const EXPECTED =
  'expected {"percent": 20}, {"weights": {"next": 3}} or {"labels": {"next": 3}}, and perhaps "path" and "why"';

export interface RoutePatch {
  readonly edits: readonly Override[];
  /** What is wrong with the words; then there are no edits. */
  readonly reasons: readonly string[];
}

export interface PatchedRoute {
  readonly config: Config;
  readonly model: string;
  readonly kinds: readonly PolicyKind[];
}

/** @param words what came over the wire; whether the values make sense is found out with the whole config */
export function readRoutePatch(words: unknown, { config, model, kinds }: PatchedRoute): RoutePatch {
  const parsed = PATCH.safeParse(words);
  if (!parsed.success) return wrong(EXPECTED);
  const patch = parsed.data;
  const { percent, weights, labels } = patch;
  if (percent === undefined && weights === undefined && labels === undefined) return wrong(EXPECTED);
  const setting = config.models?.find(({ name }) => name === model);
  if (setting === undefined)
    return wrong(`models.${model}: expected a model of the config, got ${JSON.stringify(model)}`);
  const at = ["models", model, "route"];
  const routers = setting.route === undefined ? [] : routersOf(setting.route, { at, kinds });
  const found = [
    percent === undefined ? NOTHING : percentEdits(percent, routers, patch),
    weights === undefined ? NOTHING : weightEdits(weights, routers, patch),
  ];
  const edits = Object.entries(labels ?? {}).map(
    ([label, version]): Override => ({ path: ["models", model, "labels", label], value: version }),
  );
  const reasons = found.flatMap((one) => one.reasons);
  return { edits: reasons.length > 0 ? [] : [...found.flatMap((one) => one.edits), ...edits], reasons };
}

const NOTHING: RoutePatch = { edits: [], reasons: [] };

function wrong(reason: string): RoutePatch {
  return { edits: [], reasons: [reason] };
}

/** A router of the tree: where its options stand, and where its branches do, by their names. */
interface Router {
  readonly word: string;
  readonly path: Override["path"];
  readonly branches: readonly (Pick<Placed<unknown>, "path"> & { readonly name: string })[];
}

function routersOf(
  route: Parameters<typeof eachBranch>[0],
  { at, kinds }: { readonly at: readonly string[]; readonly kinds: readonly PolicyKind[] },
): readonly Router[] {
  return [...eachBranch(route, kinds, at)].flatMap(({ path, it }): readonly Router[] => {
    if (it.kind === "leaf") return [];
    const kind = routeKinds(kinds).find(({ word }) => word === it.word);
    const branches = (kind?.branches(it.options) ?? []).map((one) => ({ path: one.path, name: branchName(one.it) }));
    return [{ word: it.word, path: [...path, it.word], branches }];
  });
}

/** The one router that is meant: the only one of these words, or the one at the path that the operator names. */
function theOne(routers: readonly Router[], words: readonly string[], { path }: Patch): Router | string {
  const able = routers.filter(({ word }) => words.includes(word));
  const inRoute = (router: Router) => formatPath(router.path.slice(2));
  const meant = path === undefined ? able : able.filter((one) => inRoute(one) === pathOf(path));
  const [only] = meant;
  if (only !== undefined && meant.length === 1) return only;
  const there = able.map(inRoute).join(", ") || "none";
  if (path !== undefined) return `path: expected one of ${there}, got ${JSON.stringify(path)}`;
  return able.length === 0
    ? `expected a route with ${words.join(" or ")}, got none`
    : `path: expected one of ${there}, got nothing`;
}

/** `rules[0].to.canary` and `route.rules[0].to.canary` are the same. */
function pathOf(path: string): string {
  return path.startsWith("route.") ? path : `route.${path}`;
}

function percentEdits(percent: NonNullable<Patch["percent"]>, routers: readonly Router[], patch: Patch): RoutePatch {
  if (typeof percent === "number") {
    const router = theOne(routers, ["canary"], patch);
    if (typeof router === "string") return wrong(`percent: ${router}`);
    return { edits: [{ path: [...router.path, "percent"], value: percent }], reasons: [] };
  }
  const router = theOne(routers, ["ab"], patch);
  if (typeof router === "string") return wrong(`percent: ${router}`);
  const edits = Object.entries(percent).map(([variant, value]) => ({
    path: [...router.path, "variants", variant, "percent"],
    value,
  }));
  return { edits, reasons: [] };
}

function weightEdits(weights: NonNullable<Patch["weights"]>, routers: readonly Router[], patch: Patch): RoutePatch {
  const router = theOne(routers, ["weighted"], patch);
  if (typeof router === "string") return wrong(`weights: ${router}`);
  const found = Object.entries(weights).map(([name, value]): RoutePatch => {
    const to = router.branches.filter((branch) => branch.name === name);
    const [branch] = to;
    const names = router.branches.map((one) => one.name).join(", ");
    if (branch === undefined || to.length > 1) {
      return wrong(`weights: expected one of the branches ${names}, once, got ${JSON.stringify(name)}`);
    }
    return { edits: [{ path: [...router.path, ...branch.path.slice(0, -1), "weight"], value }], reasons: [] };
  });
  return { edits: found.flatMap((one) => one.edits), reasons: found.flatMap((one) => one.reasons) };
}

// The sense of a model's route: its leaves exist, its experiments agree, its fixed answers fit.

import { eachBranch, type PolicyKind, routeKinds } from "../core/policy.ts";
import type { Branch, Experiment } from "../core/route.ts";
import { completeSignature } from "../core/signature.ts";
import { didYouMean, type Fault, formatPath, type Path } from "./mistakes.ts";
import type { Document } from "./schema.ts";

type Models = NonNullable<Document["models"]>;
type ModelWords = Models[string];

/** A branch and where it stands. */
interface Found {
  readonly path: Path;
  readonly branch: Branch;
}

/** What is wrong with the routes of all models. */
export function checkRoutes(models: Models, policies: readonly PolicyKind[]): readonly Fault[] {
  const found = Object.entries(models).flatMap(([name, words]) => {
    if (words.route === undefined) return [];
    const branches = [...eachBranch(words.route, policies, ["models", name, "route"])].map(
      ({ path, it }): Found => ({ path, branch: it }),
    );
    return [{ words, branches }];
  });
  return [
    ...found.flatMap(({ words, branches }) => branches.flatMap((one) => checkLeaf(one, words))),
    ...found.flatMap(({ words, branches }) => branches.flatMap((one) => checkOptions(one, words, policies))),
    ...checkExperiments(
      found.flatMap(({ branches }) => branches),
      policies,
    ),
  ];
}

function kindOf(word: string, policies: readonly PolicyKind[]) {
  return routeKinds(policies).find((kind) => kind.word === word);
}

/** What a model without `versions` has is known only to its backend. */
function checkLeaf({ path, branch }: Found, { versions, labels }: ModelWords): readonly Fault[] {
  if (branch.kind !== "leaf" || versions === undefined) return [];
  const known = [...Object.keys(labels ?? {}), ...Object.keys(versions)];
  if (known.includes(branch.name)) return [];
  const guess = didYouMean(branch.name, known);
  const message = `expected a label or version of the model (${known.join(", ")}), got ${JSON.stringify(branch.name)}${guess}`;
  return [{ path, message }];
}

function checkOptions({ path, branch }: Found, { signature }: ModelWords, policies: readonly PolicyKind[]) {
  if (branch.kind === "leaf" || signature === undefined) return [];
  const wrong = kindOf(branch.word, policies)?.check?.(branch.options, completeSignature(signature)) ?? [];
  return wrong.map((fault): Fault => ({ path: [...path, branch.word, ...fault.path], message: fault.it }));
}

/** A name means one split everywhere, so that a user has one variant in all models of an experiment. */
function checkExperiments(found: readonly Found[], policies: readonly PolicyKind[]): readonly Fault[] {
  const first = new Map<string, { readonly experiment: Experiment; readonly path: Path }>();
  const faults: Fault[] = [];
  for (const { path, branch } of found) {
    if (branch.kind === "leaf") continue;
    const experiment = kindOf(branch.word, policies)?.experiment?.(branch.options);
    if (experiment === undefined) continue;
    const known = first.get(experiment.name);
    if (known === undefined) {
      first.set(experiment.name, { experiment, path });
      continue;
    }
    if (known.experiment.split === experiment.split) continue;
    const name = JSON.stringify(experiment.name);
    const message = `expected another name, or the same split as the experiment ${name} at ${formatPath(known.path)}, got ${name} with another split`;
    faults.push({ path: [...path, branch.word], message });
  }
  return faults;
}

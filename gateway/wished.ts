// A policy that a model's own files ask for where the config says nothing of it: Triton's dynamic_batching beside a local model.

import type { LeafContext, LeafKind } from "../core/policy.ts";
import type { Layer, Service } from "../core/service.ts";
import type { Target } from "./versions.ts";

/** What the files of a version's only target ask of a policy now; undefined where its backend cannot tell of any. */
export function wishOf(word: string, targets: readonly Target[]): (() => unknown) | undefined {
  const [only, second] = targets;
  // several targets have files of their own, and one batch
  if (only === undefined || second !== undefined) return undefined;
  const wish = only.at.wishes?.get(word);
  if (wish === undefined) return undefined;
  const there = { name: only.model, ...(only.version === undefined ? {} : { version: only.version }) };
  return () => wish(there);
}

/** The layer that is asked for now: another one when another is asked for, the usual one when none is. */
export function wishedLayer(kind: LeafKind, wish: () => unknown, context: LeafContext): Layer {
  return (next) => {
    const { env, model } = context;
    const open = (wanted: unknown): Service => {
      if (wanted === undefined) return kind.fallback === undefined ? next : kind.build(kind.fallback, context)(next);
      const read = kind.options.safeParse(wanted);
      if (read.success) return kind.build(read.data, context)(next);
      const said = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
      env.log.warn({ model, [kind.word]: wanted }, `what the model's files ask for is ignored: ${said}`);
      return next;
    };
    let wanted: unknown;
    let service = open(undefined);
    return (request, call) => {
      const now = wish();
      if (now !== wanted) {
        wanted = now;
        service = open(now);
      }
      return service(request, call);
    };
  };
}

// The first look at the servers behind a model: a backend that has just been opened does not know yet what they have.

import type { Target } from "./versions.ts";

/**
 * Resolves when each target's backend knows its model, or when none of its endpoints has it or can be asked; at the latest
 * when the signal is aborted. Never throws.
 */
export async function firstLook(targets: readonly Target[], signal: AbortSignal): Promise<void> {
  await Promise.all(targets.map((target) => lookedAt(target, signal)));
}

async function lookedAt(target: Target, signal: AbortSignal): Promise<void> {
  const { catalog } = target.at;
  const isKnown = () => catalog.ready(target.model) !== undefined;
  if (isKnown() || signal.aborted) return;
  const known = Promise.withResolvers<void>();
  const end = () => known.resolve();
  const stop = catalog.onChange(() => {
    if (isKnown()) end();
  });
  signal.addEventListener("abort", end, { once: true });
  void nobodyHas(target, signal).then((nobody) => {
    if (nobody) end();
  });
  await known.promise;
  stop();
  signal.removeEventListener("abort", end);
}

/** Asks each endpoint. Where one has the model the backend's own look, which is under way, will find it. */
async function nobodyHas({ at, model }: Target, signal: AbortSignal): Promise<boolean> {
  if (at.endpoints.list().length === 0) await anyEndpoint(at, signal);
  const asked = at.endpoints.list().map((one) => one.ready({ name: model }, signal).catch(() => false));
  return (await Promise.all(asked)).every((has) => !has);
}

/** Those that stand under a name or in a file are found a little later than the backend is opened. */
async function anyEndpoint({ endpoints }: Target["at"], signal: AbortSignal): Promise<void> {
  const found = Promise.withResolvers<void>();
  const end = () => found.resolve();
  const stop = endpoints.onChange(end);
  signal.addEventListener("abort", end, { once: true });
  await found.promise;
  stop();
  signal.removeEventListener("abort", end);
}

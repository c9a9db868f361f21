// What a version's answers come from: its targets as the config has them, and what each is made of now.

import { hash } from "node:crypto";
import type { Identity } from "../core/model.ts";
import type { Target } from "./versions.ts";

/**
 * Tells what the version is made of; undefined while nobody knows it of some target. The same object for as long as all
 * targets are the same.
 */
export function openIdentity(targets: readonly Target[]): () => Identity | undefined {
  const said = targets.map(({ artifact }) => (artifact === undefined ? undefined : { id: artifact, portable: true }));
  const fixed = targets.map(textOf);
  let parts: readonly Identity[] = [];
  let joined: Identity | undefined;
  return () => {
    const now: Identity[] = [];
    for (const [i, { at, model, version: own, label }] of targets.entries()) {
      const version = own ?? (label === undefined ? undefined : at.catalog.label(model, label));
      const there = { name: model, ...(version === undefined ? {} : { version }) };
      const one = said[i] ?? at.identity?.(there);
      if (one === undefined) return undefined;
      now.push(one);
    }
    if (joined !== undefined && now.length === parts.length && now.every((one, i) => one === parts[i])) return joined;
    parts = now;
    joined = {
      // short, because every key is made with it
      id: hash("sha256", JSON.stringify(now.map(({ id }, i) => [fixed[i], id])), "base64url"),
      portable: now.every(({ portable }) => portable),
    };
    return joined;
  };
}

/** All that the config says between the version and the model there. */
function textOf({ at, backend, model, version, label, tags, bridge }: Target): string {
  const said = [at.kind, backend, model, version ?? null, label ?? null, tags, bridge ?? null];
  return JSON.stringify(said, (_key, value: unknown) => {
    if (value instanceof Map) return [...value];
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
}

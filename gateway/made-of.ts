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
  let labelled: readonly (string | undefined)[] = [];
  let joined: Identity | undefined;
  return () => {
    const now: Identity[] = [];
    const versions: (string | undefined)[] = [];
    for (const [i, { at, model, version: own, label }] of targets.entries()) {
      const version = own ?? (label === undefined ? undefined : at.catalog.label(model, label));
      const there = { name: model, ...(version === undefined ? {} : { version }) };
      const told = at.identity?.(there);
      // the config's words are for those that cannot tell: files are what they are
      const one = told?.portable === true ? told : (said[i] ?? told);
      if (one === undefined) return undefined;
      now.push(one);
      versions.push(version);
    }
    if (joined !== undefined && isEqual(now, parts) && isEqual(versions, labelled)) return joined;
    parts = now;
    labelled = versions;
    joined = {
      // short, because every key is made with it
      id: hash("sha256", JSON.stringify(now.map(({ id }, i) => [fixed[i], versions[i] ?? null, id])), "base64url"),
      portable: now.every(({ portable }) => portable),
    };
    return joined;
  };
}

function isEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** All that the config says between the version and the model there. */
function textOf({ at, backend, model, version, label, tags, bridge }: Target): string {
  const said = [at.kind, backend, model, version ?? null, label ?? null, tags, bridge ?? null];
  return JSON.stringify(said, (_key, value: unknown) => {
    if (value instanceof Map) return [...value];
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
}

// What must be said for a cache to be safe: how long, by whom, and what else the answer depends on.

import type { BackendKind } from "../core/backend.ts";
import { isMap } from "./map.ts";
import type { Fault, Path } from "./mistakes.ts";
import type { Document } from "./schema.ts";
import { targetsOf } from "./targets.ts";

/** The words of `cache:` that are looked at here; the policy itself has read them. */
interface CacheWords {
  readonly ttlMs?: number | undefined;
  readonly by?: string;
  readonly headers?: readonly string[];
}

/**
 * What is wrong with the caches of a config.
 *
 * @param config the same as YAML gives it, in which a backend has the words that its kind reads
 */
export function checkCaches(document: Document, config: unknown, kinds: readonly BackendKind[]): readonly Fault[] {
  return Object.entries(document.models ?? {}).flatMap(([name, model]): readonly Fault[] => {
    const words = (model as { readonly cache?: CacheWords }).cache;
    if (words === undefined) return [];
    const at: Path = ["models", name, "cache"];
    const backends = backendsOf(model);
    return [
      ...checkTtl(at, words, { document, backends, kinds }),
      ...checkTenant(at, words, document),
      ...backends.flatMap((backend) => checkHeaders(at, words, { config, backend })),
      ...backends.flatMap((backend) => checkBatch(name, model, { config, backend })),
    ];
  });
}

type ModelWords = NonNullable<Document["models"]>[string];

function backendsOf({ backend, versions }: ModelWords): readonly string[] {
  const named = Object.values(versions ?? {}).flatMap((target) => targetsOf(target).map((each) => each.backend));
  return [...new Set([...(backend === undefined ? [] : [backend]), ...named])];
}

interface TtlParts {
  readonly document: Document;
  readonly backends: readonly string[];
  readonly kinds: readonly BackendKind[];
}

/** A server elsewhere may get another model under the same name without a word. */
function checkTtl(at: Path, { ttlMs }: CacheWords, { document, backends, kinds }: TtlParts): readonly Fault[] {
  if (ttlMs !== undefined) return [];
  const blind = backends.find((name) => {
    const kind = kinds.find((one) => one.kind === document.backends[name]?.kind);
    return kind !== undefined && kind.seesFiles !== true;
  });
  if (blind === undefined) return [];
  const why = `backend ${JSON.stringify(blind)} does not tell when its models are replaced`;
  return [{ path: [...at, "ttl"], message: `expected a ttl such as 10m, got nothing: ${why}` }];
}

function checkTenant(at: Path, { by }: CacheWords, { tenant }: Document): readonly Fault[] {
  if (by !== "tenant" || tenant !== undefined) return [];
  const message = "expected the config to say where the tenant comes from (tenant: {header: ..., trusted: true})";
  return [{ path: [...at, "by"], message }];
}

interface BackendWords {
  /** As YAML gives it. */
  readonly config: unknown;
  readonly backend: string;
}

/** What a caller's header may change in an answer must be a part of the question. */
function checkHeaders(at: Path, { headers = [] }: CacheWords, parts: BackendWords): readonly Fault[] {
  return missing(headers, parts).map((names) => {
    const message = `expected ${names} among the headers, which backend ${JSON.stringify(parts.backend)} passes on to its servers`;
    return { path: [...at, "headers"], message };
  });
}

/** A batch carries only the headers that all of its requests say: an answer out of it may be that of a request without them. */
function checkBatch(name: string, model: ModelWords, parts: BackendWords): readonly Fault[] {
  const { batch } = model as { readonly batch?: Pick<CacheWords, "headers"> };
  if (batch === undefined) return [];
  return missing(batch.headers ?? [], parts).map((names) => {
    const message = `expected ${names} among the headers, since the answers are kept by them and backend ${JSON.stringify(parts.backend)} passes them on to its servers`;
    return { path: ["models", name, "batch", "headers"], message };
  });
}

/** The headers that the backend passes on and that are not named, in one text; none when all are. */
function missing(headers: readonly string[], { config, backend }: BackendWords): readonly string[] {
  const backends = isMap(config) && isMap(config.backends) ? config.backends : {};
  const words = isMap(backends[backend]) ? backends[backend].headers : undefined;
  const passed = isMap(words) && Array.isArray(words.pass) ? words.pass.map((name) => String(name).toLowerCase()) : [];
  const names = passed.filter((name) => !headers.includes(name));
  return names.length === 0 ? [] : [names.join(", ")];
}

// The words of the config language that are known but not built yet: refused with "not yet", never as unknown.

import type { Fault, Path } from "./mistakes.ts";

/** What each word of a model will bring. */
const MODEL_WORDS: Readonly<Record<string, string>> = {
  cache: "caching comes",
};

const PLACES: readonly { readonly at: readonly (string | null)[]; readonly words: Readonly<Record<string, string>> }[] =
  [
    // null stands for any name
    { at: ["models", null], words: MODEL_WORDS },
  ];

/** The words that may stand at a path one day, for suggestions. */
export function plannedWords(path: Path): readonly string[] {
  const place = PLACES.find(
    ({ at }) => at.length === path.length && at.every((name, i) => name === null || name === path[i]),
  );
  return place === undefined ? [] : Object.keys(place.words);
}

/**
 * A fault for every planned word in the config, and the config without them, so that the rest is checked as well.
 *
 * @param own whether the place itself has the word already (a backend kind may be ahead of this table)
 */
export function takePlanned(
  config: unknown,
  own: (path: Path, word: string) => boolean,
): { readonly faults: readonly Fault[]; readonly rest: unknown } {
  const faults: Fault[] = [];
  let rest = config;
  for (const { at, words } of PLACES) {
    rest = edit({ value: rest, path: [], at }, (map, path) => {
      const kept = Object.entries(map).filter(([word]) => {
        if (!Object.hasOwn(words, word) || own(path, word)) return true;
        faults.push({ path: [...path, word], message: `not yet: ${words[word]} with a later release`, at: "key" });
        return false;
      });
      return Object.fromEntries(kept);
    });
  }
  return { faults, rest };
}

/** What is said of a backend whose kind is planned. */
export function plannedKind(kind: string): string {
  return `not yet: the backend kind ${JSON.stringify(kind)} comes with a later release`;
}

type YamlMap = Readonly<Record<string, unknown>>;

interface Spot {
  readonly value: unknown;
  readonly path: Path;
  /** The names still to walk. */
  readonly at: readonly (string | null)[];
}

// A copy of the value in which every map at the spot is what `change` made of it.
function edit({ value, path, at }: Spot, change: (map: YamlMap, path: Path) => YamlMap): unknown {
  if (!isMap(value)) return value;
  const [name, ...deeper] = at;
  if (name === undefined) return change(value, path);
  const entries = Object.entries(value).map(([key, inner]) => {
    if (name !== null && name !== key) return [key, inner] as const;
    return [key, edit({ value: inner, path: [...path, key], at: deeper }, change)] as const;
  });
  return Object.fromEntries(entries);
}

/** Whether the value is a map as YAML gives it. */
export function isMap(value: unknown): value is YamlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

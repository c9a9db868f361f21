// The reference of the config language as a page: every word of the JSON Schema once, with its type, default and meaning.

import type { Schema } from "../../config/known-words.ts";
import { BRANCH } from "../../config/route.ts";

interface Row {
  readonly word: string;
  readonly takes: string;
  readonly fallback: string;
  readonly says: string;
}

interface Section {
  readonly title: string;
  readonly says: string;
  /** Where its words stand in a config. */
  readonly place: string;
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}

const HEAD = `# Every word of the config

Made from the schema by \`npm run reference\`; a test holds it to be current. \`sluice schema\` prints the same for editors. A dot leads
into a map, \`[]\` to each entry of a list, \`<name>\` is a name of your own. Durations are \`500ms\`, \`5s\`, \`10m\`; sizes \`64KiB\`,
\`256MiB\`. The words of a model apply in one fixed order, whatever the order in which they are written: see
[design.md](design.md). The pages on each area are listed in the [README](../README.md).
`;

/** The page docs/config.md for a schema as \`sluice schema\` prints it. */
export function referenceOf(whole: Schema): string {
  const page = new Page();
  return [HEAD, ...sectionsOf(whole).map((section) => page.section(section))].join("\n");
}

type Definitions = Readonly<Record<string, Schema>>;

/** The schema with every reference replaced by what it names, except branches, and forms that hold themselves: any JSON. */
function expanded(value: unknown, definitions: Definitions, within: readonly string[] = []): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => expanded(one, definitions, within));
  const { allOf, ...rest } = value as Schema & { readonly allOf?: readonly Schema[] };
  const schema = allOf === undefined ? rest : { ...allOf[0], ...rest };
  const name = refOf(schema);
  if (name === BRANCH) return schema;
  if (name === undefined) {
    return Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, expanded(one, definitions, within)]));
  }
  const { $ref: _, ...said } = schema;
  if (within.includes(name) || holdsItself(name, definitions)) return said;
  return { ...(expanded(definitions[name], definitions, [...within, name]) as Schema), ...said };
}

function holdsItself(name: string, definitions: Definitions): boolean {
  return JSON.stringify(definitions[name]).includes(`/${name}"`);
}

function sectionsOf(whole: Schema): readonly Section[] {
  const definitions: Definitions = { ...(whole.definitions as object), ...(whole.$defs as object) };
  const properties = expanded(whole.properties, definitions) as Readonly<Record<string, Schema>>;
  const branches = expanded(definitions[BRANCH], definitions) as Schema;
  const { backends, models, ...top } = properties;
  if (backends === undefined || models === undefined) throw new Error("expected a schema with backends and models");
  const kinds = asSchema(backends.additionalProperties).oneOf ?? [];
  const servers = kinds.filter((kind) => kind.properties?.endpoints !== undefined);
  const shared = sharedBy(servers);
  const branch = branches.anyOf?.find((choice) => choice.properties !== undefined);
  return [
    { title: "At the top", says: "", place: "", properties: top, required: whole.required ?? [] },
    {
      title: "`backends.<name>`, every kind of server",
      says: textOf(backends),
      place: "backends.<name>.",
      properties: shared,
      required: servers[0]?.required ?? [],
    },
    ...kinds.map((kind) => kindSection(kind, Object.keys(shared))),
    {
      title: "`models.<name>`",
      says: textOf(models),
      place: "models.<name>.",
      properties: asSchema(models.additionalProperties).properties ?? {},
      required: [],
    },
    {
      title: "Routers",
      says: "What may stand wherever a route has a branch: a version, a label, or one of these with branches of its own.",
      place: "route.",
      properties: branch?.properties ?? {},
      required: [],
    },
  ];
}

function kindSection(kind: Schema, shared: readonly string[]): Section {
  const name = String(kind.properties?.kind?.const);
  const isServer = kind.properties?.endpoints !== undefined;
  const own = Object.entries(kind.properties ?? {}).filter(
    ([word]) => word !== "kind" && !(isServer && shared.includes(word)),
  );
  return {
    title: `\`backends.<name>\`, \`kind: ${name}\``,
    says: "",
    place: `backends.<name> (${name}).`,
    properties: Object.fromEntries(own),
    required: kind.required ?? [],
  };
}

/** The words that all of them have in the same form. */
function sharedBy(kinds: readonly Schema[]): Readonly<Record<string, Schema>> {
  const [first, ...others] = kinds;
  const entries = Object.entries(first?.properties ?? {}).filter(([word, schema]) =>
    others.every(({ properties }) => JSON.stringify(properties?.[word]) === JSON.stringify(schema)),
  );
  return Object.fromEntries(entries);
}

class Page {
  /** Maps that have been told already, by their form, and where. */
  readonly #told = new Map<string, string>();

  section({ title, says, place, properties, required }: Section): string {
    const rows = this.#rows({ properties, required }, { place, word: "" });
    const lines = rows.map((row) => `| \`${row.word}\` | ${row.takes} | ${row.fallback} | ${row.says} |`);
    const table = ["| word | what it takes | default | what it says |", "|---|---|---|---|", ...lines].join("\n");
    return [`## ${title}`, says, lines.length === 0 ? "No words of its own." : table]
      .filter((part) => part !== "")
      .join("\n\n")
      .concat("\n");
  }

  #rows(map: Pick<Schema, "properties" | "required">, at: { place: string; word: string }): readonly Row[] {
    return Object.entries(map.properties ?? {}).flatMap(([key, schema]) => {
      const word = at.word === "" ? key : `${at.word}.${key}`;
      const told = this.#told.get(formOf(schema));
      const needed = map.required?.includes(key) === true ? "needed" : "";
      const row = {
        word,
        takes: told === undefined ? this.#takes(schema) : `as [\`${told}\`](#${anchorOf(told)})`,
        fallback: defaultOf(schema) || needed,
        says: textOf(schema) || (isBranch(schema) ? "A version, a label or a router." : ""),
      };
      return told === undefined ? [row, ...this.#inside(schema, { place: at.place, word })] : [row];
    });
  }

  /** The rows of the maps in a word's value. */
  #inside(schema: Schema, at: { place: string; word: string }): readonly Row[] {
    // a list of maps that may also stand alone is told once
    const forms = new Set<string>();
    const found = this.#mapsIn(schema, at.word).filter(({ map }) => !forms.has(formOf(map)) && forms.add(formOf(map)));
    if (found.length > 0) this.#told.set(formOf(schema), `${at.place}${at.word}`);
    const seen = new Set<string>();
    return found.flatMap(({ map, word }) =>
      this.#rows(map, { place: at.place, word }).filter((row) => !seen.has(row.word) && seen.add(row.word)),
    );
  }

  #mapsIn(schema: Schema, word: string): readonly { readonly map: Schema; readonly word: string }[] {
    if (isBranch(schema)) return [];
    const { properties, additionalProperties, items, anyOf = [], oneOf = [] } = schema;
    return [
      ...(properties === undefined ? [] : [{ map: schema, word }]),
      ...(typeof additionalProperties === "object" ? this.#mapsIn(additionalProperties, `${word}.<name>`) : []),
      ...(items === undefined ? [] : this.#mapsIn(items, `${word}[]`)),
      ...[...anyOf, ...oneOf].flatMap((choice) => this.#mapsIn(choice, word)),
    ];
  }

  /** What may stand there, in a few words. */
  #takes(schema: Schema): string {
    if (isBranch(schema)) return "a [branch](#routers)";
    const { type, anyOf, oneOf, items, properties, additionalProperties } = schema;
    if (schema.const !== undefined) return `\`${schema.const}\``;
    if (schema.enum !== undefined) return (schema.enum as readonly unknown[]).map((one) => `\`${one}\``).join(", ");
    const choices = anyOf ?? oneOf;
    if (choices !== undefined) return [...new Set(choices.map((choice) => this.#takes(choice)))].join(" or ");
    if (items !== undefined) return `a list: ${this.#takes(items)}`;
    if (properties !== undefined) return "a map";
    if (typeof additionalProperties === "object") return `by name: ${this.#takes(additionalProperties)}`;
    if (type === "boolean") return "`true`, `false`";
    if (type === "integer" || type === "number") return numberOf(schema);
    return type === "string" ? "text" : "any JSON";
  }
}

function refOf(schema: Schema): string | undefined {
  return typeof schema.$ref === "string" ? schema.$ref.replace(/^#\/(definitions|\$defs)\//, "") : undefined;
}

function isBranch(schema: Schema): boolean {
  return refOf(schema) === BRANCH;
}

function numberOf({ type, minimum, exclusiveMinimum, maximum }: Schema): string {
  const from = minimum === undefined ? "" : ` from ${minimum}`;
  const above = exclusiveMinimum === undefined ? "" : ` above ${exclusiveMinimum}`;
  // the largest safe integer is no bound that anybody meets
  const to = maximum === undefined || Number(maximum) >= Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`;
  return `a ${type === "integer" ? "whole " : ""}number${from}${above}${to}`;
}

function defaultOf({ default: fallback }: Schema): string {
  if (fallback === undefined) return "";
  const text = typeof fallback === "string" ? fallback : JSON.stringify(fallback);
  return text === "{}" || text === "[]" ? "" : `\`${text}\``;
}

/** One line, safe in a cell of a table. */
function textOf({ description }: Schema): string {
  return String(description ?? "")
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;")
    .replace(/\s+/g, " ");
}

/** What makes two words the same: all but what is said of them. */
function formOf({ description: _, default: __, ...form }: Schema): string {
  return JSON.stringify(form);
}

/** The heading under which a word was told. */
function anchorOf(told: string): string {
  const kind = /^backends\.<name> \((.+?)\)/.exec(told)?.[1];
  if (kind !== undefined) return `backendsname-kind-${kind}`;
  if (told.startsWith("backends.")) return "backendsname-every-kind-of-server";
  if (told.startsWith("route.")) return "routers";
  return told.startsWith("models.") ? "modelsname" : "at-the-top";
}

function asSchema(value: Schema | boolean | undefined): Schema {
  return typeof value === "object" ? value : {};
}

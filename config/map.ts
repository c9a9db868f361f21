// A map as YAML gives it, before any schema has read it.

export type YamlMap = Readonly<Record<string, unknown>>;

/** Whether the value is a map as YAML gives it. */
export function isMap(value: unknown): value is YamlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

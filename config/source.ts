// The words of a part of the config as they were written, as text: two parts of equal text are the same part.

/**
 * A value as YAML gives it, as text. Different for any two values that a schema might read differently: the order of keys
 * counts (variants and outputs have one), and numbers that JSON does not have are told apart. What a schema makes of the
 * words must not be compared instead: it may hold functions and maps, of which JSON keeps nothing.
 */
export function sourceText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner === "bigint") return `\u0000${inner}n`;
      if (typeof inner !== "number") return inner;
      return Number.isFinite(inner) && !Object.is(inner, -0) ? inner : `\u0000${Object.is(inner, -0) ? "-0" : inner}`;
    }) ?? ""
  );
}

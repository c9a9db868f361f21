// References to environment variables inside the values of a config: ${NAME}, ${NAME:-default}, and $${ for a plain ${.

/** The variables that references may name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The text with its references replaced, or what is wrong with each that could not be. */
export type Substituted =
  | { readonly ok: true; readonly text: string; readonly changed: boolean }
  | { readonly ok: false; readonly messages: readonly string[] };

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const INNER = /^([A-Za-z_]\w*)(?::-([\s\S]*))?$/;

/**
 * Replaces every reference. As in a shell, `:-` gives the default for a variable that is unset or empty; a variable that
 * is set to nothing and has no default is nothing. A default cannot hold a `}` or another reference.
 */
export function substitute(text: string, env: Variables): Substituted {
  const messages: string[] = [];
  const replaced = text.replace(REFERENCE, (whole, inner: string | undefined, close: string | undefined) => {
    if (inner === undefined) return "${";
    const [matched, name, fallback] = close === "}" ? (INNER.exec(inner) ?? []) : [];
    if (matched === undefined || name === undefined) {
      messages.push(
        `expected \${NAME} or \${NAME:-default}, got ${JSON.stringify(whole)} ($\${ stands for a plain \${)`,
      );
      return whole;
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
    if (value !== undefined) return value;
    messages.push(
      `expected the environment variable ${name} to be set, or a default as in \${${name}:-default}, got nothing`,
    );
    return whole;
  });
  if (messages.length > 0) return { ok: false, messages };
  return { ok: true, text: replaced, changed: replaced !== text };
}

/** Whether the text holds something that reads as a reference. */
export function hasReference(text: string): boolean {
  return text.includes("${");
}

// Values of the matrix as JSON text and back, by their tokens: no number is read as a double on its way, nothing of wire/ is used.

import { bytesOfTokens, type Value } from "./matrix-values.ts";

/** How a text is written: as a string of its bytes, or as TensorFlow's `{"b64": ...}` where it is not UTF-8. */
export type Texts = "raw" | "b64";

/** The elements in one list. */
export function flat(value: Value, texts: Texts): Buffer {
  return Buffer.from(`[${value.tokens.map((token) => tokenText(token, texts)).join(",")}]`, "latin1");
}

/** The elements in lists as deep as the shape; the element itself for a scalar. */
export function nested({ shape, tokens }: Value, texts: Texts): Buffer {
  let at = 0;
  const level = (depth: number): string => {
    if (depth === shape.length) return tokenText(tokens[at++]!, texts);
    return `[${Array.from({ length: shape[depth]! }, () => level(depth + 1)).join(",")}]`;
  };
  return Buffer.from(level(0), "latin1");
}

// one character a byte, so that bytes that are no UTF-8 go out as they are
function tokenText(token: string | Uint8Array, texts: Texts): string {
  if (typeof token === "string") return token;
  const bytes = Buffer.from(token);
  if (texts === "b64" && !Buffer.from(bytes.toString("utf8")).equals(bytes)) {
    return `{"b64":"${bytes.toString("base64")}"}`;
  }
  return JSON.stringify(bytes.toString("latin1"));
}

/** A tree whose leaves are the tokens of the text. */
export type Tree = string | boolean | null | readonly Tree[] | { readonly [key: string]: Tree };

/** Reads JSON with NaN and Infinity; strings hold a character a byte, numbers their own text behind a `#`. */
export function parseTree(body: Uint8Array): Tree {
  const source = Buffer.from(body).toString("latin1");
  const quoted = source.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (found) =>
    found.startsWith('"') ? found : `"#${found}"`,
  );
  const exact = (_key: string, read: unknown, context?: { readonly source?: string }) =>
    typeof read === "number" ? `#${context?.source}` : read;
  return JSON.parse(quoted, exact as Parameters<typeof JSON.parse>[1]) as Tree;
}

/** The shape of a nest and its bytes in the value's datatype. @throws Error for what is no such nest */
export function readNest(tree: Tree, { datatype }: Value): Pick<Value, "shape" | "data"> {
  const shape: number[] = [];
  for (let at: Tree = tree; isList(at); at = at[0] as Tree) {
    shape.push(at.length);
    if (at.length === 0) break;
  }
  const leaves: Tree[] = [];
  const walk = (node: Tree, depth: number) => {
    if (!isList(node)) return void leaves.push(node);
    if (node.length !== shape[depth]) throw new Error(`a ragged list: ${node.length} where ${shape[depth]} are others`);
    for (const child of node) walk(child, depth + 1);
  };
  walk(tree, 0);
  return {
    shape,
    data: bytesOfTokens(
      datatype,
      leaves.map((leaf) => (datatype === "BYTES" ? textOf(leaf) : numberOf(leaf))),
    ),
  };
}

function isList(tree: Tree): tree is readonly Tree[] {
  return Array.isArray(tree);
}

function numberOf(leaf: Tree): string {
  if (typeof leaf === "boolean") return `${leaf}`;
  if (typeof leaf === "string" && leaf.startsWith("#")) return leaf.slice(1);
  throw new Error(`expected a number, got ${JSON.stringify(leaf)}`);
}

function textOf(leaf: Tree): Uint8Array {
  if (typeof leaf === "string") return Buffer.from(leaf, "latin1");
  const coded = leaf !== null && typeof leaf === "object" && !isList(leaf) ? leaf.b64 : undefined;
  if (typeof coded === "string") return Buffer.from(coded, "base64");
  throw new Error(`expected a text, got ${JSON.stringify(leaf)}`);
}

/** The text of a member of an object, untouched: what an echo gives back. */
export function memberText(body: Uint8Array, key: string): Buffer {
  const source = Buffer.from(body).toString("latin1");
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
  let depth = 0;
  let start: number | undefined;
  for (let token = tokens.exec(source), before = ""; token !== null; before = token[0], token = tokens.exec(source)) {
    const [word] = token;
    if (depth === 1 && start !== undefined && (word === "," || word === "}")) {
      return Buffer.from(source.slice(start, token.index), "latin1");
    }
    if (depth === 1 && word === ":" && before === JSON.stringify(key)) start = token.index + 1;
    if (word === "{" || word === "[") depth += 1;
    if (word === "}" || word === "]") depth -= 1;
  }
  throw new Error(`no "${key}" in ${source.slice(0, 200)}`);
}

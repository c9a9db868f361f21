// Protocol buffers' text format, read into a plain tree without knowing the message: enough for a model's config.pbtxt.

/** A field's values in the order in which they stand; a field may stand any number of times. */
export type TextMessage = ReadonlyMap<string, readonly TextValue[]>;

/** Text in quotes, a bare word (enum, true, inf), a number as it was written, or a message. */
export type TextValue =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "number"; readonly number: string }
  | { readonly kind: "message"; readonly fields: TextMessage };

/** Messages within one another. */
const MAX_DEPTH = 64;

/**
 * Reads the text. Source: protobuf.dev, Text Format Language Specification; extensions and Any are not read.
 *
 * @throws Error saying what was expected, what was got, and on which line
 */
export function readTextFormat(text: string): TextMessage {
  const reader: Reader = { text, at: 0 };
  const message = readFields(reader, undefined, 0);
  return message;
}

interface Reader {
  readonly text: string;
  at: number;
}

type Fields = Map<string, TextValue[]>;

function readFields(r: Reader, close: string | undefined, depth: number): TextMessage {
  if (depth > MAX_DEPTH) throw wrong(r, `at most ${MAX_DEPTH} messages within one another`);
  const fields: Fields = new Map();
  for (;;) {
    skipSpace(r);
    if (r.at >= r.text.length) {
      if (close === undefined) return fields;
      throw wrong(r, `"${close}"`);
    }
    if (r.text[r.at] === close) {
      r.at += 1;
      return fields;
    }
    const name = take(r, /[A-Za-z_][A-Za-z0-9_]*/y, "the name of a field");
    const values = fields.get(name) ?? [];
    fields.set(name, values);
    readField(r, values, depth);
    skipSpace(r);
    if (r.text[r.at] === "," || r.text[r.at] === ";") r.at += 1;
  }
}

function readField(r: Reader, into: TextValue[], depth: number): void {
  skipSpace(r);
  const hasColon = r.text[r.at] === ":";
  if (hasColon) r.at += 1;
  skipSpace(r);
  if (r.text[r.at] === "[") {
    r.at += 1;
    readList(r, into, depth);
    return;
  }
  const next = r.text[r.at];
  if (!hasColon && next !== "{" && next !== "<") throw wrong(r, '":" or a message');
  into.push(readOne(r, depth));
}

function readList(r: Reader, into: TextValue[], depth: number): void {
  skipSpace(r);
  if (r.text[r.at] === "]") {
    r.at += 1;
    return;
  }
  for (;;) {
    into.push(readOne(r, depth));
    skipSpace(r);
    const next = r.text[r.at];
    if (next !== "," && next !== "]") throw wrong(r, '"," or "]"');
    r.at += 1;
    if (next === "]") return;
  }
}

function readOne(r: Reader, depth: number): TextValue {
  skipSpace(r);
  const first = r.text[r.at];
  if (first === "{" || first === "<") {
    r.at += 1;
    return { kind: "message", fields: readFields(r, first === "{" ? "}" : ">", depth + 1) };
  }
  if (first === '"' || first === "'") return { kind: "text", text: readTexts(r) };
  const number = match(r, /-?\s*(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![A-Za-z0-9_.])/y);
  if (number !== undefined) return { kind: "number", number: number.replaceAll(/\s/g, "") };
  return { kind: "word", word: take(r, /-?[A-Za-z_][A-Za-z0-9_]*/y, "a value") };
}

/** Texts that stand beside each other are one. */
function readTexts(r: Reader): string {
  let text = "";
  for (;;) {
    skipSpace(r);
    const quote = r.text[r.at];
    if (quote !== '"' && quote !== "'") return text;
    const inside = take(
      r,
      quote === '"' ? /"(?:[^"\\\n]|\\[^\n])*"/y : /'(?:[^'\\\n]|\\[^\n])*'/y,
      "the end of a text on its line",
    );
    text += plainText(inside.slice(1, -1));
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\u0007", b: "\b", f: "\f", v: "\v" };

function plainText(text: string): string {
  return text.replaceAll(/\\(?:[xX][0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|.)/g, (sequence) => {
    const rest = sequence.slice(1);
    if (/^[xXu]./.test(rest)) return String.fromCharCode(Number.parseInt(rest.slice(1), 16));
    if (/^[0-7]/.test(rest)) return String.fromCharCode(Number.parseInt(rest, 8));
    return ESCAPES[rest] ?? rest;
  });
}

function skipSpace(r: Reader): void {
  match(r, /(?:\s|#[^\n]*)*/y);
}

function match(r: Reader, pattern: RegExp): string | undefined {
  pattern.lastIndex = r.at;
  const found = pattern.exec(r.text)?.[0];
  if (found !== undefined) r.at += found.length;
  return found;
}

function take(r: Reader, pattern: RegExp, what: string): string {
  const found = match(r, pattern);
  if (found !== undefined) return found;
  throw wrong(r, what);
}

function wrong({ text, at }: Reader, expected: string): Error {
  const line = text.slice(0, at).split("\n").length;
  const got = at >= text.length ? "the end of the text" : JSON.stringify(text.slice(at, at + 20).split("\n")[0]);
  return new Error(`line ${line}: expected ${expected}, got ${got}`);
}

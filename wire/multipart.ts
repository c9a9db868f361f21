// Bodies of multipart/form-data: named parts of any bytes, both ways, without copying them.

import { isUtf8 } from "node:buffer";
import { invalid } from "../core/error.ts";
import type { Sliced } from "./sliced.ts";

/** One part of a form. */
export interface FormPart {
  readonly name: string;
  /** Present where the part is a file. */
  readonly filename?: string;
  /** `text/plain` where a sender says nothing. Source: RFC 7578, section 4.4. */
  readonly contentType?: string;
  /** A view of the body when read. */
  readonly body: Uint8Array;
}

/** What a reader refuses to go beyond. */
export interface FormLimits {
  readonly maxParts: number;
}

/** More parts than any model has inputs. */
export const DEFAULT_FORM_LIMITS: FormLimits = { maxParts: 1024 };

/** The headers of one part; a browser's take some 200 bytes. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Searched between two stops: well below a millisecond. */
const WINDOW_BYTES = 1024 * 1024;

const CRLF = Buffer.from("\r\n");
const HEADERS_END = Buffer.from("\r\n\r\n");

/** The Content-Type of a form. */
export function formType(boundary: string): string {
  return `multipart/form-data; boundary=${boundary}`;
}

/**
 * A form's body: the parts' own bytes, not copies, with their headers between them.
 *
 * @param boundary what no part holds: 32 random letters, since nobody looks whether one does
 */
export function encodeMultipart(parts: readonly FormPart[], boundary: string): readonly Uint8Array[] {
  const body: Uint8Array[] = [];
  let before = "";
  for (const { name, filename, contentType, body: bytes } of parts) {
    const file = filename === undefined ? "" : `; filename="${escapeName(filename)}"`;
    const type = contentType === undefined ? "" : `Content-Type: ${checkType(contentType, name)}\r\n`;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"${file}\r\n${type}\r\n`;
    body.push(Buffer.from(before + head));
    if (bytes.byteLength > 0) body.push(bytes);
    before = "\r\n";
  }
  body.push(Buffer.from(`${before}--${boundary}--\r\n`));
  return body;
}

// As browsers do, save for backslashes, which quoted strings escape. Source: HTML standard, multipart/form-data encoding algorithm.
function escapeName(text: string): string {
  if (!text.isWellFormed()) throw invalid(`the name ${JSON.stringify(text.slice(0, 24))} has no UTF-8`);
  return text.replaceAll("\\", "\\\\").replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}

function checkType(contentType: string, name: string): string {
  if (/^[\x20-\x7e]*$/.test(contentType)) return contentType;
  throw invalid(`part "${name}": expected a content type in ASCII, got ${JSON.stringify(contentType.slice(0, 40))}`);
}

/** The boundary in a Content-Type. @throws InferError invalid-argument where there is none, or it is no form */
export function boundaryOf(contentType: string): string {
  const match = /^\s*multipart\/form-data\s*;(?:.*?;)?\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
    contentType.slice(0, 1024),
  );
  const boundary = match?.[1] ?? match?.[2];
  if (boundary !== undefined) return boundary;
  throw invalid(
    `expected multipart/form-data with a boundary of 1 to 70 characters, got ${JSON.stringify(contentType.slice(0, 80))}`,
  );
}

/**
 * Reads a form's body. Names may repeat. Names with `%22`, `%0D`, `%0A` (browsers, curl) or backslashes before quotes and
 * backslashes (older curl) mean the characters themselves; `filename*`, which forms must not use, is ignored.
 *
 * @throws InferError invalid-argument for a body that is not such a form: no boundary, no end, a part without a name
 */
export function* decodeMultipart(
  body: Uint8Array,
  boundary: string,
  limits: FormLimits = DEFAULT_FORM_LIMITS,
): Sliced<readonly FormPart[]> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const parts: FormPart[] = [];
  let line = yield* findDelimiter(text, boundary, 0);
  while (!line.isLast) {
    if (parts.length === limits.maxParts) throw invalid(`expected at most ${limits.maxParts} form parts, got more`);
    const head = readHead(text, line.to, parts.length);
    const next = yield* findDelimiter(text, boundary, head.to);
    parts.push({ ...head.part, body: body.subarray(head.to, Math.max(head.to, next.from)) });
    line = next;
  }
  return parts;
}

/** A line that divides parts: where the part before it ends, where what follows begins. */
interface Delimiter {
  readonly from: number;
  readonly to: number;
  readonly isLast: boolean;
}

// The line break before a delimiter belongs to it; at the start of the body, or right behind a part's headers, none is needed.
function* findDelimiter(text: Buffer, boundary: string, from: number): Sliced<Delimiter> {
  const dashes = Buffer.from(`--${boundary}`);
  const needle = Buffer.concat([CRLF, dashes]);
  if (startsWith(text, dashes, from)) {
    const line = endOfLine(text, from, from + dashes.byteLength);
    if (line !== undefined) return line;
  }
  let at = yield* find(text, needle, Math.max(0, from - CRLF.byteLength));
  while (at >= 0) {
    const line = endOfLine(text, at, at + needle.byteLength);
    if (line !== undefined) return line;
    at = yield* find(text, needle, at + 1);
  }
  const what = from === 0 ? "the boundary" : "the closing boundary";
  throw invalid(`malformed form: expected ${what} --${boundary.slice(0, 40)} after byte ${from}, got none`);
}

// A line that only begins like the boundary is data.
function endOfLine(text: Buffer, from: number, to: number): Delimiter | undefined {
  if (text[to] === 0x2d && text[to + 1] === 0x2d) return { from, to: to + 2, isLast: true };
  let at = to;
  while (at - to < 64 && (text[at] === 0x20 || text[at] === 0x09)) at += 1;
  return text[at] === 0x0d && text[at + 1] === 0x0a ? { from, to: at + 2, isLast: false } : undefined;
}

function* find(text: Buffer, needle: Buffer, from: number): Sliced<number> {
  for (let at = from; at < text.byteLength; at += WINDOW_BYTES) {
    if (at > from) yield;
    const found = text.subarray(at, at + WINDOW_BYTES + needle.byteLength - 1).indexOf(needle);
    if (found >= 0) return at + found;
  }
  return -1;
}

const startsWith = (text: Buffer, start: Buffer, at: number): boolean =>
  text.subarray(at, at + start.byteLength).equals(start);

/** A part's headers, and where its body begins. */
interface Head {
  readonly part: Omit<FormPart, "body">;
  readonly to: number;
}

function readHead(text: Buffer, from: number, index: number): Head {
  // an empty line at once: no headers, and what follows are not they
  if (startsWith(text, CRLF, from)) throw invalid(`form part ${index}: expected headers, got none`);
  const end = text.subarray(from, from + MAX_HEADER_BYTES).indexOf(HEADERS_END);
  if (end < 0) {
    throw invalid(`form part ${index}: expected headers of at most ${MAX_HEADER_BYTES} bytes and an empty line`);
  }
  const bytes = text.subarray(from, from + end);
  if (!isUtf8(bytes)) throw invalid(`form part ${index}: expected headers in UTF-8`);
  const headers = readHeaders(bytes.toString("utf8"));
  const disposition = headers.get("content-disposition") ?? "";
  const name = /^\s*form-data\s*(;|$)/i.test(disposition) ? parameterOf(disposition, "name") : undefined;
  if (name === undefined) throw invalid(`form part ${index}: expected Content-Disposition: form-data with a name`);
  checkEncoding(headers.get("content-transfer-encoding"), name);
  const filename = parameterOf(disposition, "filename");
  const contentType = headers.get("content-type");
  return {
    part: {
      name,
      ...(filename === undefined ? {} : { filename }),
      ...(contentType === undefined ? {} : { contentType }),
    },
    to: from + end + HEADERS_END.byteLength,
  };
}

function readHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

// Source: RFC 7578, section 4.7: forms over HTTP have no transfer encodings.
function checkEncoding(encoding: string | undefined, name: string): void {
  if (encoding === undefined || /^(7bit|8bit|binary)$/i.test(encoding)) return;
  throw invalid(
    `form part "${name}": expected no Content-Transfer-Encoding, got ${JSON.stringify(encoding.slice(0, 24))}`,
  );
}

function parameterOf(disposition: string, wanted: string): string | undefined {
  for (const match of disposition.matchAll(/;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gs)) {
    const [, key = "", quoted, plain = ""] = match;
    if (key.toLowerCase() !== wanted) continue;
    return (quoted?.replace(/\\(["\\])/g, "$1") ?? plain)
      .replaceAll("%22", '"')
      .replaceAll(/%0d/gi, "\r")
      .replaceAll(/%0a/gi, "\n");
  }
  return undefined;
}

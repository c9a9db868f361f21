// Reads strings of a JSON array into canonical BYTES elements: u32 length + UTF-8, repeated.

import { invalid } from "../core/error.ts";
import { copyBase64, endBase64, openBase64, startBase64 } from "./json-base64.ts";
import { goesOn, type Leaf, type Run, refuseElement } from "./json-leaf.ts";
import { peek, readAtMost, readHex4, type Scanner, simpleEscape, skipSpace, syntaxError } from "./json-scan.ts";

/**
 * A leaf for strings, and the bytes that it read. `maxBytes` is what they take at most: of more elements than that has
 * room for, only the count is right.
 *
 * @throws InferError invalid-argument for a lone surrogate, which has no UTF-8
 */
export function bytesLeaf(maxBytes: number): { readonly leaf: Leaf; finish(): Uint8Array } {
  const sink: Texts = { out: Buffer.allocUnsafeSlow(maxBytes), at: 0, start: 0, isBase64: false };
  const leaf: Leaf = (s, run) => {
    do {
      if (run.place !== "inside") {
        if (skipSpace(s) !== 0x22) throw refuseElement(s, run, "a string");
        s.at += 1;
        begin(sink);
      }
      run.place = "inside";
      if (!copyText(s, sink, run)) return;
      end(sink);
    } while (goesOn(s, run));
  };
  return { leaf, finish: () => sink.out.subarray(0, sink.at) };
}

function begin(sink: Texts): void {
  sink.start = sink.at;
  sink.at += 4;
}

function end(sink: Texts): void {
  if (sink.at <= sink.out.byteLength) sink.out.writeUInt32LE(sink.at - sink.start - 4, sink.start);
}

/** Room for the text of one step at least, and for an escape that begins at its end. */
const LEAST_ROOM = 64;

/**
 * The same for any number of elements: the buffer grows with them. An element may also be `{"b64": "..."}`: bytes in
 * base64, of the plain alphabet or that of URLs, with or without padding.
 *
 * @throws InferError invalid-argument for a lone surrogate, for what is not base64
 */
export function growingBytesLeaf(): { readonly leaf: Leaf; finish(): Uint8Array } {
  const sink: Texts = { out: Buffer.allocUnsafeSlow(LEAST_ROOM * 4), at: 0, start: 0, isBase64: false };
  const base64 = startBase64();
  const step = (s: Scanner, run: Run) => {
    do {
      if (run.place !== "inside") {
        const byte = skipSpace(s);
        sink.isBase64 = byte === 0x7b;
        if (sink.isBase64) openBase64(s, run);
        else if (byte !== 0x22) throw refuseElement(s, run, "a string");
        s.at += 1;
        begin(sink);
      }
      run.place = "inside";
      if (!(sink.isBase64 ? copyBase64(s, sink, base64) : copyText(s, sink, run))) return;
      if (sink.isBase64) endBase64(s, run, base64);
      end(sink);
    } while (goesOn(s, run));
  };
  const leaf: Leaf = (s, run) => {
    if (sink.out.byteLength - sink.at < LEAST_ROOM) {
      const more = Buffer.allocUnsafeSlow(sink.out.byteLength * 2);
      more.set(sink.out.subarray(0, sink.at));
      sink.out = more;
    }
    // a string and its comma are three bytes of text more than its characters, and four here
    const room = sink.out.byteLength - sink.at - 16;
    readAtMost(s, Math.floor((room * 3) / 4), () => step(s, run));
  };
  return { leaf, finish: () => sink.out.subarray(0, sink.at) };
}

interface Texts {
  out: Buffer;
  at: number;
  /** Where the present element's length stands. */
  start: number;
  /** The present element is `{"b64": ...}`. */
  isBase64: boolean;
}

// To the end of the slice, or over the closing quote: true.
function copyText(s: Scanner, sink: Texts, run: Run): boolean {
  const { text } = s;
  const { out } = sink;
  const to = Math.min(s.end, s.stopAt);
  while (s.at < to) {
    let from = s.at;
    let at = sink.at;
    let byte = 0;
    while (from < to) {
      byte = text[from] as number;
      if (byte === 0x22 || byte === 0x5c || byte < 0x20) break;
      out[at] = byte;
      at += 1;
      from += 1;
    }
    s.at = from;
    sink.at = at;
    if (from === to) break;
    if (byte === 0x22) {
      s.at += 1;
      return true;
    }
    if (byte !== 0x5c) throw syntaxError(s, "an escape instead of a control character");
    copyEscape(s, sink, run);
  }
  if (s.at >= s.end) throw syntaxError(s, 'a closing "');
  return false;
}

function copyEscape(s: Scanner, sink: Texts, run: Run): void {
  const kind = s.text[s.at + 1] ?? 0;
  if (kind !== 0x75) {
    const byte = simpleEscape(kind);
    if (byte < 0) throw syntaxError(s, "an escape that JSON has");
    sink.out[sink.at] = byte;
    sink.at += 1;
    s.at += 2;
    return;
  }
  const unit = readHex4(s, s.at + 2);
  s.at += 6;
  if (unit < 0xd800 || unit > 0xdfff) {
    putCodePoint(sink, unit);
    return;
  }
  const isPair = unit < 0xdc00 && peek(s) === 0x5c && s.text[s.at + 1] === 0x75;
  const low = isPair ? readHex4(s, s.at + 2) : 0;
  if (low < 0xdc00 || low > 0xdfff) {
    throw invalid(`${run.label}: element ${run.index} holds a lone surrogate, which has no UTF-8`);
  }
  s.at += 6;
  putCodePoint(sink, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
}

function putCodePoint(sink: Texts, point: number): void {
  const { out } = sink;
  if (point < 0x80) {
    out[sink.at++] = point;
    return;
  }
  const tail = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  out[sink.at++] = (point >> (6 * tail)) | (tail === 1 ? 0xc0 : tail === 2 ? 0xe0 : 0xf0);
  for (let i = tail - 1; i >= 0; i--) out[sink.at++] = ((point >> (6 * i)) & 0x3f) | 0x80;
}

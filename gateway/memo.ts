// What bodies were decoded to: a bounded memory of heads and digests, so that a repeat is neither parsed nor digested again.

import { createHmac, hash, randomBytes } from "node:crypto";
import type { Config } from "../config/config.ts";
import { deferInputs, type TensorHead } from "../core/deferred.ts";
import type { DecodedRequest, DecodeMemo } from "../core/protocol.ts";
import type { InferRequest } from "../core/request.ts";
import type { Parameters } from "../core/tensor.ts";
import { NUMBER_BYTES, openWriter } from "../policies/cache/canonical.ts";
import type { Contents } from "../policies/cache/contents.ts";
import { type Content, TAGGED_BYTES, tagOf } from "../policies/cache/key.ts";
import type { Room } from "../policies/cache/room.ts";
import { openStore } from "../policies/cache/store.ts";
import { SECRET_BYTES } from "../policies/cache.ts";
import { cachedModels } from "./answers.ts";
import { canonical, type Parts } from "./parts.ts";

export interface MemoOptions {
  readonly contents: Contents;
  /** Keys the digests of bodies; they never leave the process. */
  readonly secret: Uint8Array;
  readonly maxBytes?: number;
}

/** Some 16,000 requests of one input. */
const MEMO_BYTES = 16 * 1024 * 1024;

/** What is kept of a request: no bytes of its tensors. */
interface Remembered {
  readonly decoded: DecodedRequest;
  readonly heads: readonly TensorHead[];
  readonly content: Content;
}

/** All of a memo but the word whose requests it is for. */
export type Memo = Omit<DecodeMemo, "wants">;

/** The memo of a tree, which goes on with what the tree before remembered. */
export async function useMemo(parts: Parts, config: Config, { contents }: Pick<Room, "contents">): Promise<DecodeMemo> {
  const { cache, store, limits } = config;
  // all that decoding depends on beside the request and its model's signature
  const key = canonical(["bodies", cache, store, limits.inputs, limits.nesting]);
  const secret = randomBytes(SECRET_BYTES);
  const memo = await parts.use(key, async () => ({ ...openMemo({ contents, secret }), close: async () => {} }));
  const models = cachedModels(config);
  return { ...memo, wants: (model) => models.has(model) };
}

export function openMemo(options: MemoOptions): Memo {
  const { contents, secret, maxBytes = MEMO_BYTES } = options;
  const label = (words: string) => createHmac("sha256", secret).update(`sluice bodies 1: ${words}`).digest();
  const keys = { form: label("form"), tag: label("tag") };
  const formOf = openForms(keys.form);
  const store = openStore<Remembered>({ maxBytes, dead: () => false, admission: false });
  const shelf = store.shelf("bodies", maxBytes);
  return {
    key(words, body) {
      const bytes = body.byteLength < TAGGED_BYTES ? body : tagAtOnce(body, keys.tag);
      return hash("sha256", formOf(words, body.byteLength, bytes), "binary");
    },
    find<D extends DecodedRequest>(key: string, decode: () => Promise<D>): D | undefined {
      const known = shelf.get(key);
      if (known === undefined) return undefined;
      // one key, one decoder: what was kept under it is what that decoder gave
      const decoded = known.decoded as D;
      const inputs = deferInputs(known.heads, async () => (await decode()).request.inputs);
      const request: InferRequest = { ...decoded.request, inputs };
      contents.note(request, known.content);
      return { ...decoded, request };
    },
    keep(key, decoded) {
      const content = contents.of(decoded.request);
      if (content === undefined) return;
      const heads = decoded.request.inputs.map(headOf);
      // without the inputs, whose bytes would be kept with them
      const request: InferRequest = { ...decoded.request, inputs: [] };
      shelf.set(key, { decoded: { ...decoded, request }, heads, content }, weightOf(request, heads, content));
    },
  };
}

/** Words that are kept as they were written, one list for each path. */
const MOST_WORDS = 256;
/** Which of the words is the path: what differs most. Any would do, since all are compared. */
const PATH = 2;

/**
 * The form of a request, lent until the next call: the key, the words, the length of the body, and the body or what stands
 * for a large one. Words are written once for as long as requests with the same ones come.
 */
function openForms(key: Uint8Array): (words: readonly string[], length: number, body: Uint8Array) => Uint8Array {
  const known = new Map<string, { readonly words: readonly string[]; readonly written: Uint8Array }>();
  let form = Buffer.alloc(2 * TAGGED_BYTES);
  const writtenOf = (words: readonly string[]): Uint8Array => {
    const path = words[PATH] ?? "";
    const one = known.get(path);
    if (one !== undefined && isEqual(one.words, words)) return one.written;
    const written = write(words, key);
    if (known.size >= MOST_WORDS) known.clear();
    known.set(path, { words, written });
    return written;
  };
  return (words, length, body) => {
    const written = writtenOf(words);
    const bodyAt = written.byteLength + NUMBER_BYTES;
    const end = bodyAt + body.byteLength;
    if (end > form.byteLength) form = Buffer.alloc(2 * end);
    form.set(written);
    form.writeDoubleLE(length, written.byteLength);
    form.set(body, bodyAt);
    return form.subarray(0, end);
  };
}

function write(words: readonly string[], key: Uint8Array): Uint8Array {
  const writer = openWriter();
  writer.count(words.length);
  for (const word of words) writer.text(word);
  return Uint8Array.from(writer.behind(key));
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

function headOf({ name, datatype, shape, parameters }: TensorHead): TensorHead {
  return { name, datatype, shape, ...(parameters === undefined ? {} : { parameters }) };
}

/** The bodies that come here are bounded by the caller. */
function tagAtOnce(body: Uint8Array, key: Uint8Array): Uint8Array {
  const work = tagOf(body, key);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** What an entry takes beside what is counted below, and what each small object in it does, about. */
const ENTRY_BYTES = 800;
const EACH_BYTES = 120;

function weightOf(request: InferRequest, heads: readonly TensorHead[], content: Content): number {
  let weight = ENTRY_BYTES + 2 * content.head.length + ofParameters(request.parameters);
  for (const { name, shape, parameters } of heads) {
    weight += EACH_BYTES + 2 * name.length + 8 * shape.length + ofParameters(parameters);
  }
  for (const { name, parameters } of request.outputs ?? []) {
    weight += EACH_BYTES + 2 * name.length + ofParameters(parameters);
  }
  return weight;
}

function ofParameters(parameters: Parameters | undefined): number {
  let weight = 0;
  for (const [name, value] of parameters ?? []) {
    weight += EACH_BYTES + 2 * name.length + (typeof value === "string" ? 2 * value.length : 0);
  }
  return weight;
}

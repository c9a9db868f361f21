// Where an answer is kept: keyed digests over one canonical form of all that it depends on.

import { createCipheriv, createHmac, hash } from "node:crypto";
import type { InferRequest, RequestedOutput } from "../../core/request.ts";
import type { Sliced } from "../../core/run.ts";
import type { Tensor } from "../../core/tensor.ts";
import { KEY_BYTES, NUMBER_BYTES, openWriter, type Writer } from "./canonical.ts";

/** The digests of one question, whoever asks it of whichever version. */
export interface Content {
  /** Names, datatypes, shapes and byte lengths of the inputs, by name: what a person would compare first. */
  readonly head: string;
  /** 256 bits. */
  readonly first: Uint8Array;
  /** 512 bits, under a key of its own and by another function. */
  readonly proof: Uint8Array;
}

/** What an answer depends on beside the question. */
export interface Asked {
  readonly model: string;
  readonly version: string;
  /** What the version is made of. */
  readonly identity: string;
  /** Undefined where all tenants share. */
  readonly tenant: string | undefined;
  /** The headers that the answer depends on, by name; undefined for one that is absent. */
  readonly headers: readonly (readonly [name: string, value: string | undefined])[];
}

/** A question's place among the answers, and what proves that an answer there is its own. */
export interface Mark {
  /** 256 bits, one to a sign of Latin-1. */
  readonly key: string;
  /** 512 bits, under a key of its own. */
  readonly proof: Uint8Array;
  readonly head: string;
}

export interface Digests {
  /** Digests the inputs, about 4 MiB between two stops; a small question needs none. */
  content(request: InferRequest): Sliced<Content>;
  /** Much sooner for an `asked` that it has seen before. */
  mark(content: Content, asked: Asked): Mark;
}

export interface DigestOptions {
  /** At least 16 bytes; equal secrets give equal marks. */
  readonly secret: Uint8Array;
  /** What tests put in the place of the first digest to see the second one at work. */
  readonly first?: (message: Uint8Array) => string;
}

const FIRST_BYTES = 32;
const PROOF_BYTES = 64;
/** Where both stand in the form of a mark: behind its key, each behind its length. */
const FIRST_AT = KEY_BYTES + NUMBER_BYTES;
const PROOF_AT = FIRST_AT + FIRST_BYTES + NUMBER_BYTES;

/** From here on bytes go into a form by their tag: below, a tag costs more than the bytes. See docs/cache.md. */
export const TAGGED_BYTES = 4096;
/** A longer form is digested by its tags: this much takes about a third of a millisecond. */
const LONG_BYTES = 128 * 1024;
/** At the 20 GB/s of AES instructions well below a millisecond. */
const STEP_BYTES = 4 * 1024 * 1024;

export function openDigests({ secret, first = sha256 }: DigestOptions): Digests {
  const key = (label: string) => createHmac("sha256", secret).update(`sluice answers 1: ${label}`).digest();
  const keys: Keys = {
    first: key("first"),
    proof: key("proof"),
    firstTag: key("first tag"),
    proofTag: key("proof tag"),
  };
  /** Written once for all questions that are asked under the same words. */
  const forms = new WeakMap<Asked, Uint8Array>();
  const formOf = (asked: Asked): Uint8Array => {
    const known = forms.get(asked);
    if (known !== undefined) return known;
    const form = openWriter();
    form.bytes(new Uint8Array(FIRST_BYTES));
    form.bytes(new Uint8Array(PROOF_BYTES));
    writeAsked(form, asked);
    const bytes = form.behind(keys.first).slice();
    forms.set(asked, bytes);
    return bytes;
  };
  return {
    content: (request) => contentOf(request, keys),
    mark(content, asked) {
      const form = formOf(asked);
      form.set(content.first, FIRST_AT);
      form.set(content.proof, PROOF_AT);
      form.set(keys.first);
      const key = first(form);
      form.set(keys.proof);
      return { key, proof: proofOf(form), head: content.head };
    },
  };
}

interface Keys {
  readonly first: Uint8Array;
  readonly proof: Uint8Array;
  readonly firstTag: Uint8Array;
  readonly proofTag: Uint8Array;
}

function* contentOf(request: InferRequest, keys: Keys): Sliced<Content> {
  const inputs = byName(request.inputs);
  const form = openWriter();
  let head = "";
  writeQuestion(form, request, inputs.length);
  for (const input of inputs) {
    head += `${JSON.stringify(input.name)} ${input.datatype}[${input.shape.join(",")}] ${input.data.byteLength};`;
    const tagged = input.data.byteLength >= TAGGED_BYTES;
    writeInput(form, input, tagged);
    if (!tagged) continue;
    form.bytes(yield* tagOf(input.data, keys.firstTag));
    form.bytes(yield* tagOf(input.data, keys.proofTag));
  }
  const short = form.written() > LONG_BYTES ? yield* shortened(form, keys) : form;
  return { head, first: bytesOf(sha256(short.behind(keys.first))), proof: proofOf(short.behind(keys.proof)) };
}

// a form of a thousand small tensors, or of long parameters, by its own tags: digesting it whole would hold the event loop
function* shortened(form: Writer, keys: Keys): Sliced<Writer> {
  const whole = form.behind(new Uint8Array(KEY_BYTES));
  const short = openWriter();
  short.text("long question");
  short.bytes(yield* tagOf(whole, keys.firstTag));
  short.bytes(yield* tagOf(whole, keys.proofTag));
  return short;
}

/** A digest's bytes in V8's own heap: as a buffer, each would be memory outside it, and take twice the time. */
function bytesOf(digest: string): Uint8Array {
  const bytes = new Uint8Array(digest.length);
  for (let at = 0; at < bytes.byteLength; at += 1) bytes[at] = digest.charCodeAt(at);
  return bytes;
}

function sha256(message: Uint8Array): string {
  return hash("sha256", message, "binary");
}

function proofOf(message: Uint8Array): Uint8Array {
  return bytesOf(hash("blake2b512", message, "binary"));
}

/**
 * GMAC under a fixed nonce is a universal hash: two contents have one tag with a chance below 2^-100. A tag never leaves the
 * process, only the keyed digest over it does, so that nobody learns anything of the key. Source: NIST SP 800-38D; Carter
 * and Wegman, 1981.
 *
 * @param key 32 bytes
 */
export function* tagOf(data: Uint8Array, key: Uint8Array): Sliced<Uint8Array> {
  const mac = createCipheriv("aes-256-gcm", key, new Uint8Array(NONCE_BYTES));
  for (let at = 0; at < data.byteLength; at += STEP_BYTES) {
    if (at > 0) yield;
    mac.setAAD(data.subarray(at, at + STEP_BYTES));
  }
  mac.final();
  return mac.getAuthTag();
}

/** Read only: the tag of equal bytes must be equal. */
const NONCE_BYTES = 12;

/** TensorFlow's name for the signature that is meant where none is named. Source: tensorflow/saved_model, constants. */
const USUAL_SIGNATURE = "serving_default";

function writeQuestion(form: Writer, request: InferRequest, inputs: number): void {
  const { task, signature, outputs, parameters } = request;
  form.text("question");
  form.text(task);
  form.text(signature === USUAL_SIGNATURE ? "" : (signature ?? ""));
  form.parameters(parameters);
  form.count(outputs === undefined ? -1 : outputs.length);
  for (const output of outputs === undefined ? [] : ordered(outputs)) {
    form.text(output.name);
    form.parameters(output.parameters);
  }
  form.count(inputs);
}

function writeInput(form: Writer, input: Tensor, tagged: boolean): void {
  form.text(input.name);
  form.text(input.datatype);
  form.count(input.shape.length);
  for (const size of input.shape) form.count(size);
  form.parameters(input.parameters);
  form.count(tagged ? 1 : 0);
  form.count(input.data.byteLength);
  if (!tagged) form.bytes(input.data);
}

function writeAsked(form: Writer, { model, version, identity, tenant, headers }: Asked): void {
  form.text("asked");
  form.text(model);
  form.text(version);
  form.text(identity);
  form.optional(tenant);
  form.count(headers.length);
  for (const [name, value] of headers) {
    form.text(name);
    form.optional(value);
  }
}

function byName(inputs: readonly Tensor[]): readonly Tensor[] {
  return inputs.length < 2 ? inputs : [...inputs].sort(compareNames);
}

// of one name several times, the order may mean something
function ordered(outputs: readonly RequestedOutput[]): readonly RequestedOutput[] {
  if (new Set(outputs.map(({ name }) => name)).size < outputs.length) return outputs;
  return [...outputs].sort(compareNames);
}

function compareNames(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

// Judges the answer to a request that may be broken: right for what was asked, a clear refusal, or something that must not be.

import { gunzipSync, inflateSync } from "node:zlib";
import type { Shot } from "./gateway-mutations.ts";
import {
  type InferAnswer,
  inflatedBody,
  type Kind,
  type Plain,
  plain,
  readInfer,
  sameNaN,
  WIDTHS,
} from "./gateway-oip.ts";
import type { Answer } from "./http-client.ts";

/** What a request says to a reader who believes it. */
export interface Asked {
  readonly model: string;
  readonly version: string;
  readonly inputs: readonly Plain[];
  readonly id: string | undefined;
  /** Goes on with a sequence, which another request may have begun at another version and so pinned to it. */
  readonly pinned?: boolean;
  /** The outputs listed; undefined for all of them. */
  readonly outputs: readonly string[] | undefined;
}

/** Statuses that tell a client what it did wrong. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 405, 413, 414, 415, 431]);

/** The model's own answer to inputs; throws where the model cannot run them. */
export type Model = (model: string, version: string, inputs: readonly Plain[]) => Promise<readonly Plain[]>;

/** What is wrong with the answer; undefined when it is a right 200 or a clear refusal. */
export async function judge(shot: Shot, answer: Answer, model: Model): Promise<string | undefined> {
  if (answer.status !== 200) return refusalFault(shot, answer);
  if (shot.method !== "POST") return shot.path.endsWith("/infer") ? `200 to ${shot.method}` : undefined;
  if (!/\/infer(\?|#|$)/.test(shot.path)) return `200 to POST ${shot.path}`;
  try {
    return await answerFault(askedBy(shot), answer, model);
  } catch (error) {
    return `a 200 to what cannot be read: ${error}`;
  }
}

function refusalFault(shot: Shot, answer: Answer): string | undefined {
  if (!REFUSALS.has(answer.status)) return `status ${answer.status}: ${answer.body}`;
  if (shot.method === "HEAD") return undefined;
  const error = readError(answer);
  if (error === undefined || error === "") return `a ${answer.status} without {"error": text}: ${answer.body}`;
  if (answer.headers["sluice-error-origin"] !== "client") {
    return `a ${answer.status} of origin ${answer.headers["sluice-error-origin"]}: ${error}`;
  }
  return undefined;
}

function readError(answer: Answer): string | undefined {
  try {
    return (JSON.parse(`${inflatedBody(answer)}`) as { readonly error?: string }).error;
  } catch {
    return undefined;
  }
}

async function answerFault(asked: Asked, answer: Answer, model: Model): Promise<string | undefined> {
  const read: InferAnswer = readInfer(answer);
  const version = asked.pinned === true ? read.model_version : asked.version;
  if (read.model_name !== asked.model || read.model_version !== version) {
    return `${asked.model} ${asked.version} was asked, ${read.model_name} ${read.model_version} answered`;
  }
  if ((read.id ?? "") !== (asked.id ?? "")) return `id ${asked.id} was sent, ${read.id} came back`;
  const all = await model(asked.model, version, asked.inputs);
  const wanted = asked.outputs === undefined ? all : asked.outputs.map((name) => all.find((one) => one.name === name));
  if (read.outputs.length !== wanted.length)
    return `${wanted.length} outputs were asked for, ${read.outputs.length} came`;
  for (const [index, output] of read.outputs.entries()) {
    const expected = wanted[index];
    if (expected === undefined || !equal(expected, output))
      return `output "${output.name}" is not what the model gives`;
  }
  return undefined;
}

/** NaN is one value here: JSON has no other. */
function equal(a: Plain, b: Plain): boolean {
  const isAlike = a.name === b.name && a.datatype === b.datatype && String(a.shape) === String(b.shape);
  return isAlike && Buffer.from(sameNaN(a).data).equals(sameNaN(b).data);
}

interface JsonInput {
  readonly name: string;
  readonly datatype: Kind;
  readonly shape: readonly string[];
  readonly data?: unknown;
  readonly parameters?: { readonly binary_data_size?: string };
}

/** Reads the request with JSON.parse; throws where that cannot be done. */
export function askedBy(shot: Shot): Asked {
  const [path = ""] = shot.path.split(/[?#]/);
  const parts = path.split("/").map(decodeURIComponent);
  const model = parts[3] ?? "";
  const version = parts[4] === "versions" ? (parts[5] ?? "") : model === "digits" ? "2" : "1";
  const body = inflated(shot);
  const header = shot.headers["inference-header-content-length"];
  if (header !== undefined && Number(header) === 0) return rawRequest(model, version, body);
  const jsonEnd = header === undefined ? body.byteLength : Number(header);
  const json = parseExact(body.toString("utf8", 0, jsonEnd)) as {
    readonly id?: string | null;
    readonly inputs: readonly JsonInput[];
    readonly outputs?: readonly { readonly name: string }[] | null;
    readonly parameters?: { readonly sequence_id?: unknown } | null;
  };
  let at = jsonEnd;
  const inputs = json.inputs.map((input): Plain => {
    const { name, datatype } = input;
    const shape = input.shape.map(Number);
    const size = input.parameters?.binary_data_size;
    if (size === undefined) return plain(name, datatype, shape, elementsOf(datatype, input.data));
    at += Number(size);
    return { name, datatype, shape, data: body.subarray(at - Number(size), at) };
  });
  const outputs = json.outputs?.map((output) => output.name) ?? [];
  const pinned = parts[4] !== "versions" && json.parameters?.sequence_id !== undefined;
  const wanted = outputs.length === 0 ? undefined : outputs;
  return { model, version, inputs, id: json.id ?? undefined, pinned, outputs: wanted };
}

/** The one input of each model that may be asked with its bytes alone. */
const RAW: Readonly<Record<string, readonly [name: string, datatype: Kind, row: readonly number[]]>> = {
  digits: ["image", "FP32", [1, 8, 8]],
  iris: ["measurements", "FP32", [4]],
  language: ["text", "BYTES", []],
};

function rawRequest(model: string, version: string, body: Buffer): Asked {
  const known = RAW[model];
  if (known === undefined) throw new Error(`${model} takes no raw request`);
  const [name, datatype, row] = known;
  const input =
    datatype === "BYTES"
      ? plain(name, datatype, [1], [body.toString()])
      : { name, datatype, shape: [1, ...row], data: body };
  return { model, version, inputs: [input], id: undefined, outputs: undefined };
}

function inflated(shot: Shot): Buffer {
  const coding = shot.headers["content-encoding"]?.trim().toLowerCase() ?? "";
  if (coding === "gzip") return gunzipSync(shot.body);
  if (coding === "deflate") return inflateSync(shot.body);
  return shot.body;
}

/** Numbers stay their own text; the words for no numbers are taken wherever a value may stand. */
function parseExact(text: string): unknown {
  const words = /(?<=[[,:]\s*)(?:(NaN)|(-?Inf)(?:inity)?)(?=\s*[\],}])/g;
  const quoted = text.replace(words, (_word, nan?: string, inf?: string) => `"${nan ?? `${inf}inity`}"`);
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? (context?.source ?? String(value)) : value;
  return JSON.parse(quoted, exact as Parameters<typeof JSON.parse>[1]);
}

function elementsOf(datatype: Kind, data: unknown) {
  const flat = [data].flat(Number.POSITIVE_INFINITY) as (string | boolean)[];
  if (datatype === "BYTES") return flat;
  return flat.map((token) =>
    typeof token === "boolean" ? token : WIDTHS[datatype] === 8 && datatype !== "FP64" ? BigInt(token) : Number(token),
  );
}

// Questions as servers see them, in a form in which two may be held against each other: without ids, spaces and ways to write a number.

import type { DatatypeCase } from "../support/datatype-cases.ts";
import type { AskedHttp } from "../support/recorded.ts";
import { bytesOf, isHttp, type RecordedGrpc, type RecordedHttp } from "../support/recorded-format.ts";
import type { AskedGrpc } from "../support/recorded-grpc.ts";

/** What was sent. */
export function questionOf(asked: AskedHttp | AskedGrpc, one: DatatypeCase): unknown {
  if ("messages" in asked) return grpcQuestion(asked.path, asked.messages[0], one);
  const { method, path, headers, body } = asked;
  return httpQuestion({ method, path, headers, body }, one);
}

/** What was sent when the answer was recorded. */
export function recordedQuestion(recording: RecordedHttp | RecordedGrpc, one: DatatypeCase): unknown {
  if (!isHttp(recording)) {
    return grpcQuestion(recording.path, Buffer.from(recording.requests[0] ?? "", "base64"), one);
  }
  const { method, path, headers, body } = recording.request;
  return httpQuestion({ method, path, headers: new Map(Object.entries(headers)), body: bytesOf(body) }, one);
}

function httpQuestion(
  of: Pick<AskedHttp, "method" | "path" | "headers" | "body">,
  one: DatatypeCase,
): Readonly<Record<string, unknown>> {
  const { method, path, headers, body } = of;
  const length = Number(headers.get("inference-header-content-length") ?? body.byteLength);
  const { id: _, ...json } = parse(body.subarray(0, length).toString(), one) as Readonly<Record<string, unknown>>;
  const type = headers.get("content-type");
  return { method, path, type, json, binary: body.subarray(length).toString("hex") };
}

/** JSON with Python's NaN and infinities: the numbers of a float as it reads them, others digit by digit. */
function parse(text: string, { datatype }: DatatypeCase): unknown {
  const quoted = text.replaceAll(/(?<=[[,:])(-?Infinity|NaN)(?=[\],}])/g, '"$1"');
  const reviver = (_key: string, value: unknown, context: { readonly source?: string }) => {
    if (typeof value !== "number") return value;
    if (datatype === "FP16") return ["FP16", Math.f16round(value), Object.is(value, -0)];
    if (datatype === "FP32") return ["FP32", Math.fround(value), Object.is(value, -0)];
    return datatype === "FP64" ? ["FP64", value, Object.is(value, -0)] : context.source;
  };
  return JSON.parse(quoted, reviver as (key: string, value: unknown) => unknown);
}

/** `id` and `parameters` of ModelInferRequest, which say nothing of tensors. */
const UNTOLD: readonly number[] = [3, 4];

function grpcQuestion(path: string, message: Buffer | undefined, one: DatatypeCase): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(message ?? Buffer.alloc(0)).map(([number, value]) => {
    // TorchServe's PredictionsRequest has the JSON of a body in a map
    const entry = path.endsWith("/Predictions") && number === 3 ? fieldsOf(value) : undefined;
    if (entry === undefined) return [number, value.toString("hex")];
    return [number, entry.map(([n, text]) => (n === 1 ? `${text}` : parse(`${text}`, one)))];
  });
  const isOip = path.endsWith("/ModelInfer");
  return { path, fields: fields.filter(([number]) => !(isOip && UNTOLD.includes(number as number))) };
}

/** A message's fields in the order of their numbers, which no writer has to keep. */
function fieldsOf(message: Buffer): readonly (readonly [number, Buffer])[] {
  const fields: (readonly [number, Buffer])[] = [];
  for (let at = 0; at < message.byteLength; ) {
    const tag = varint(message, at);
    if ((tag.value & 7) !== 2) throw new Error(`expected a field with a length, got tag ${tag.value}`);
    const size = varint(message, tag.end);
    const end = size.end + size.value;
    // a field that is empty may as well be left out
    if (size.value > 0) fields.push([tag.value >> 3, message.subarray(size.end, end)]);
    at = end;
  }
  return fields.sort(([a], [b]) => a - b);
}

function varint(bytes: Buffer, from: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = from, shift = 0; at < bytes.byteLength; at++, shift += 7) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new Error("a number that does not end");
}

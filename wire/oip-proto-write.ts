// Writes the tensors of Open Inference Protocol messages over gRPC, with raw or typed contents.

import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";
import { writeContents } from "./oip-proto-elements.ts";
import { writeParameters } from "./oip-proto-parameters.ts";
import { type ProtoWriter, WIRE } from "./protobuf.ts";
import { type Assembly, openAssembly, putBytesField, putNested } from "./protobuf-assembly.ts";
import type { Pace, Sliced } from "./sliced.ts";

/** Where the elements are: in the message's raw contents, or typed in each tensor. */
export type Contents = "raw" | "typed";

/** Writes texts as the fields 1, 2 ... ; those that are absent or empty are left out. */
export function writeTexts(writer: ProtoWriter, texts: readonly (string | undefined)[]): void {
  for (const [index, text] of texts.entries()) {
    if (text !== undefined && text !== "") writer.uint32(((index + 1) << 3) | WIRE.bytes).string(text);
  }
}

/** Which tensors are written, and how. */
export interface TensorsForm {
  readonly word: "input" | "output";
  readonly field: number;
  readonly contents: Contents;
  readonly pace: Pace;
}

/**
 * Writes tensors as fields of that number, with their elements where they are typed.
 *
 * @throws InferError unsupported for FP16 and BF16 in typed contents
 */
export function* writeTensors(body: Assembly, tensors: readonly Tensor[], form: TensorsForm): Sliced<void> {
  const { word, field, contents, pace } = form;
  for (const tensor of tensors) {
    if (contents === "raw") {
      body.writer.uint32((field << 3) | WIRE.bytes).fork();
      writeHead(body.writer, tensor);
      body.writer.ldelim();
      continue;
    }
    const nested = openAssembly();
    writeHead(nested.writer, tensor);
    putNested(nested, 5, yield* writeContents(tensor, { label: `${word} "${tensor.name}"`, pace }));
    putNested(body, field, nested);
  }
}

function writeHead(writer: ProtoWriter, { name, datatype, shape, parameters }: Tensor): void {
  writeTexts(writer, [name, datatype]);
  if (shape.length > 0) {
    writer.uint32((3 << 3) | WIRE.bytes).fork();
    for (const size of shape) writer.int64(size);
    writer.ldelim();
  }
  writeParameters(writer, 4, parameters ?? NO_PARAMETERS);
}

/** Bytes up to which all raw contents are copied beside the small fields, which saves buffers and a copy of those. */
const SMALL_BYTES = 16 * 1024;

/** Writes the raw contents of tensors as fields of that number: views, unless all of them are small. */
export function writeRaw(body: Assembly, tensors: readonly Tensor[], field: number): void {
  const total = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  for (const { data } of tensors) {
    if (total > SMALL_BYTES) putBytesField(body, field, data);
    else body.writer.uint32((field << 3) | WIRE.bytes).bytes(data);
  }
}

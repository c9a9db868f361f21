// BYTES and the strings of onnxruntime-node: what cannot cross unchanged is refused, never altered.

import { isUtf8 } from "node:buffer";
import { InferError } from "../../core/error.ts";
import { bytesElements, elementCount } from "../../core/tensor.ts";
import type { WireTensor } from "./messages.ts";

/**
 * The elements of a BYTES tensor as strings.
 *
 * @throws InferError unsupported naming input and element where the binding would alter it: it cuts strings at NUL and
 *   turns bytes that are no UTF-8 into U+FFFD, both silently; invalid-argument when the elements are not as many as the shape says
 */
export function toStrings(tensor: WireTensor): string[] {
  const strings: string[] = [];
  for (const element of bytesElements(tensor.data)) {
    if (!isUtf8(element)) throw refuse(tensor.name, strings.length, "bytes that are no UTF-8");
    if (element.includes(0)) throw refuse(tensor.name, strings.length, "a NUL byte");
    strings.push(asBuffer(element).toString("utf8"));
  }
  const count = elementCount(tensor.shape);
  if (strings.length !== count) {
    const shape = `[${tensor.shape.join(",")}]`;
    throw new InferError(
      "invalid-argument",
      `input "${tensor.name}": shape ${shape} needs ${count} BYTES elements, got ${strings.length}`,
    );
  }
  return strings;
}

/**
 * The strings of an output as canonical BYTES.
 *
 * @throws InferError unsupported naming output and element when it holds U+FFFD: the binding puts it in place of bytes
 *   that are no UTF-8, so nobody can tell whether the model said it
 */
export function fromStrings(name: string, strings: readonly string[]): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const [index, text] of strings.entries()) {
    if (text.includes("\ufffd")) {
      throw new InferError(
        "unsupported",
        `output "${name}": element ${index} holds U+FFFD, which stands for bytes that are no UTF-8 and cannot be carried`,
        { origin: "backend" },
      );
    }
    total += 4 + Buffer.byteLength(text);
  }
  const data = Buffer.from(new ArrayBuffer(total));
  let at = 0;
  for (const text of strings) {
    const length = data.write(text, at + 4);
    data.writeUInt32LE(length, at);
    at += 4 + length;
  }
  return new Uint8Array(data.buffer as ArrayBuffer);
}

function refuse(name: string, index: number, what: string): InferError {
  return new InferError(
    "unsupported",
    `input "${name}": element ${index} holds ${what}, which a local ONNX model cannot take unchanged`,
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// Opaque payloads: a body of any kind as a BYTES tensor of shape [1] whose parameter `content_type` says what it is.

import { copyPieces } from "../core/run.ts";
import { bytesElements, joinBytesElements, type Tensor } from "../core/tensor.ts";
import type { Sliced } from "./sliced.ts";

/** What a body is where nobody says it. */
export const UNKNOWN_TYPE = "application/octet-stream";

/** What is known of a payload beside its bytes. */
export interface OpaqueInit {
  readonly contentType: string;
  /** Where it is a file of a form. */
  readonly filename?: string;
}

/** The tensor of a body. The body is copied once, behind its length. */
export function opaqueTensor(name: string, body: Uint8Array, init: OpaqueInit): Tensor {
  const parameters = new Map([["content_type", init.contentType]]);
  if (init.filename !== undefined) parameters.set("filename", init.filename);
  return { name, datatype: "BYTES", shape: [1], parameters, data: joinBytesElements([body]) };
}

/** Copied at once: well below a millisecond. */
const SMALL_BYTES = 1024 * 1024;

/** The same for a body of any size, copied in slices. */
export function* readOpaque(name: string, body: Uint8Array, init: OpaqueInit): Sliced<Tensor> {
  if (body.byteLength <= SMALL_BYTES) return opaqueTensor(name, body, init);
  const data = Buffer.allocUnsafeSlow(4 + body.byteLength);
  data.writeUInt32LE(body.byteLength);
  yield* copyPieces([body], data, 4);
  return { ...opaqueTensor(name, new Uint8Array(0), init), data };
}

/** Whether a tensor has one element of bytes: a body can be made of it. */
export function isOneElement({ datatype, shape }: Pick<Tensor, "datatype" | "shape">): boolean {
  return datatype === "BYTES" && shape.every((size) => size === 1);
}

/** The content type of an opaque payload; undefined for any other tensor: MLServer's `np` and `str` are no media types. */
export function contentTypeOf(tensor: Tensor): string | undefined {
  const type = tensor.parameters?.get("content_type");
  return isOneElement(tensor) && typeof type === "string" && type.includes("/") ? type : undefined;
}

/** The file name of an opaque payload. */
export function filenameOf(tensor: Tensor): string | undefined {
  const name = tensor.parameters?.get("filename");
  return typeof name === "string" ? name : undefined;
}

/** The bytes of a tensor of one element: a view into it. */
export function payloadOf(tensor: Tensor): Uint8Array {
  for (const element of bytesElements(tensor.data)) return element;
  return tensor.data;
}

/** The media type of a Content-Type without its parameters, in lower case. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

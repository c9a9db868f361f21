// Opaque payloads: a body of any kind as a BYTES tensor of shape [1] whose parameter `content_type` says what it is.

import { bytesElements, joinBytesElements, type Tensor } from "../../core/tensor.ts";

/** The tensor of a body. The body is copied once, behind its length. */
export function opaqueTensor(name: string, body: Uint8Array, contentType: string): Tensor {
  return {
    name,
    datatype: "BYTES",
    shape: [1],
    parameters: new Map([["content_type", contentType]]),
    data: joinBytesElements([body]),
  };
}

/** The content type of an opaque payload; undefined for any other tensor: MLServer's `np` and `str` are no media types. */
export function contentTypeOf(tensor: Tensor): string | undefined {
  const type = tensor.parameters?.get("content_type");
  if (tensor.datatype !== "BYTES" || typeof type !== "string" || !type.includes("/")) return undefined;
  return tensor.shape.length === 1 && tensor.shape[0] === 1 ? type : undefined;
}

/** The bytes of an opaque payload: a view into its tensor. */
export function payloadOf(tensor: Tensor): Uint8Array {
  for (const element of bytesElements(tensor.data)) return element;
  return tensor.data;
}

/** The media type of a Content-Type without its parameters, in lower case. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Whether a media type is JSON: `application/json`, or anything that ends in `+json`. */
export function isJson(contentType: string | undefined): boolean {
  const type = mediaType(contentType);
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

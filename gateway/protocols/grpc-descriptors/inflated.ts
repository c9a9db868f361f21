// Takes descriptors out of their compressed texts.

import { gunzipSync } from "node:zlib";

/** The messages behind texts of base64, each in several pieces, of what gzip made of them. */
export function inflated(texts: readonly (readonly string[])[]): readonly Uint8Array[] {
  return texts.map((pieces) => gunzipSync(Buffer.from(pieces.join(""), "base64")));
}

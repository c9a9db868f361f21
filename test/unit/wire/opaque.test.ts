import { describe, expect, it } from "vitest";
import { checkTensor } from "../../../core/tensor.ts";
import {
  contentTypeOf,
  filenameOf,
  isOneElement,
  mediaType,
  opaqueTensor,
  payloadOf,
  readOpaque,
} from "../../../wire/opaque.ts";
import { texts } from "../../support/kind-door.ts";

describe("an opaque payload", () => {
  it("is one BYTES element with its content type and file name", () => {
    const jpeg = opaqueTensor("image", Uint8Array.of(1, 2), { contentType: "image/jpeg", filename: "a.jpg" });
    expect(jpeg).toMatchObject({ name: "image", datatype: "BYTES", shape: [1], data: Uint8Array.of(2, 0, 0, 0, 1, 2) });
    expect([contentTypeOf(jpeg), filenameOf(jpeg), payloadOf(jpeg)]).toEqual([
      "image/jpeg",
      "a.jpg",
      Uint8Array.of(1, 2),
    ]);
    expect(payloadOf(jpeg).buffer).toBe(jpeg.data.buffer);
    checkTensor(jpeg);
  });

  it("is no tensor of several elements, of numbers, or whose type is none", () => {
    const typed = (tensor: ReturnType<typeof texts>, type: string) => ({
      ...tensor,
      parameters: new Map([["content_type", type]]),
    });
    expect(contentTypeOf(texts("t", [1], ["a"]))).toBeUndefined();
    expect(contentTypeOf(typed(texts("t", [1, 1], ["a"]), "text/plain"))).toBe("text/plain");
    expect(contentTypeOf(typed(texts("t", [2], ["a", "b"]), "text/plain"))).toBeUndefined();
    // MLServer's words for its own codecs
    expect(contentTypeOf(typed(texts("t", [1], ["a"]), "str"))).toBeUndefined();
    expect(isOneElement({ datatype: "FP32", shape: [1] })).toBe(false);
  });

  it("of a large body is copied in slices", () => {
    const body = Buffer.alloc(3 * 2 ** 20 + 1, 7);
    const work = readOpaque("x", body, { contentType: "a/b" });
    let stops = 0;
    let step = work.next();
    for (; !step.done; step = work.next()) stops += 1;
    expect(stops).toBe(3);
    checkTensor(step.value);
    expect(Buffer.from(payloadOf(step.value)).equals(body)).toBe(true);
  });

  it("tells its media type without parameters", () => {
    expect(mediaType("Application/JSON; charset=utf-8")).toBe("application/json");
    expect(mediaType(undefined)).toBe("");
  });
});

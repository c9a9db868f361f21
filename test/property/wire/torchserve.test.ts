// Forms, KServe's rows and TorchServe's bodies: what is written and read again is the same, in whatever slices.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../core/tensor.ts";
import * as v1 from "../../../wire/kserve-v1.ts";
import { decodeMultipart, encodeMultipart } from "../../../wire/multipart.ts";
import { opaqueTensor } from "../../../wire/opaque.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decodeRequest, encodeRequest, encodeResponse, FORMATS, type Format } from "../../../wire/torchserve.ts";
import { decodeResponse } from "../../../wire/torchserve-answers.ts";
import { ask } from "../../support/kind-door.ts";
import { plain, slice, tensors } from "./bodies.ts";

const SEED = { seed: 7, numRuns: 150 };
const BOUNDARY = "Zf3kQ0mVb8TnY2cLs6WxRd9HpJ4eUgA1";

// what reads as the escape of a browser cannot be told from one
const name = fc
  .string({ unit: "grapheme", maxLength: 12 })
  .filter((text) => text.isWellFormed() && !/%(22|0[da])/i.test(text));
const part = fc.record(
  {
    name,
    filename: name,
    contentType: fc.constantFrom("image/jpeg", "text/plain; charset=utf-8"),
    body: fc.uint8Array({ maxLength: 40 }),
  },
  { requiredKeys: ["name", "body"], noNullPrototype: true },
);
/** Bodies full of what divides parts. */
const nasty = fc
  .array(fc.constantFrom("\r\n", "\r", "\n", "--", BOUNDARY.slice(0, -1), "x"), { maxLength: 8 })
  .map((pieces) => Buffer.from(pieces.join("")));

/** What JSON carries: those that `bodies.ts` made for it. */
const inJson = tensors.map((all) => all.filter(({ isBinary }) => !isBinary).map(({ tensor }) => tensor));
const withoutParameters = ({ parameters: _, ...tensor }: Tensor): Tensor => tensor;
/** Rows: every tensor has the first dimension of the first. */
const rows = inJson.map((all) => {
  const [first] = all.filter(({ shape }) => shape.length > 0 && shape.every((size) => size > 0));
  const count = first?.shape[0];
  return all
    .filter(({ shape }) => shape.length > 0 && shape[0] === count && shape.every((size) => size > 0))
    .map(withoutParameters)
    .filter(({ name }) => name !== "b64");
});

const specsOf = (all: readonly Tensor[]) => all.map(({ name, datatype, shape }) => ({ name, datatype, shape }));

type Decode = typeof decodeMultipart;

function checkForms(decode: Decode): void {
  const nastyPart = nasty.map((body) => ({ name: "x", body }));
  fc.assert(
    fc.property(fc.array(fc.oneof(part, nastyPart), { maxLength: 5 }), (wanted) => {
      const body = Buffer.concat(encodeMultipart(wanted, BOUNDARY));
      expect(plain(runNow(decode(body, BOUNDARY)))).toEqual(plain(wanted));
    }),
    SEED,
  );
}

describe("a form written and read again", () => {
  test("has the same parts", () => {
    checkForms(decodeMultipart);
  });

  test("is seen to differ when a reader takes a line break from the end of a part (seeded defect)", () => {
    function* broken(...args: Parameters<Decode>): ReturnType<Decode> {
      const parts = yield* decodeMultipart(...args);
      return parts.map((each) => ({
        ...each,
        body: each.body.subarray(0, each.body.at(-1) === 0x0a ? -1 : undefined),
      }));
    }
    expect(() => checkForms(broken)).toThrow("Property failed");
  });

  test("is refused when it is cut off anywhere before its end", () => {
    fc.assert(
      fc.property(part, fc.nat(), (wanted, at) => {
        const body = Buffer.concat(encodeMultipart([wanted], BOUNDARY));
        // what follows the closing boundary is nobody's
        const cut = body.subarray(0, at % (body.byteLength - 2));
        const fault = expect.objectContaining({ code: "invalid-argument" });
        expect(() => runNow(decodeMultipart(cut, BOUNDARY))).toThrow(fault);
      }),
      SEED,
    );
  });
});

describe("rows written and read again", () => {
  test("are the same tensors", () => {
    let seen = 0;
    fc.assert(
      fc.property(rows, slice, (wanted, slices) => {
        fc.pre(wanted.length > 0);
        seen += 1;
        const form = { odd: "token" } as const;
        const specs = specsOf(wanted);
        const asked = Buffer.concat(runNow(v1.encodeRequest(wanted, form, slices)));
        expect(plain(runNow(v1.decodeRequest(asked, { specs }, slices)))).toEqual(plain(wanted));
        const answered = Buffer.concat(runNow(v1.encodeResponse(wanted, form, slices)));
        expect(plain(runNow(v1.decodeResponse(answered, { specs }, slices)))).toEqual(plain(wanted));
      }),
      SEED,
    );
    expect(seen).toBe(SEED.numRuns);
  });
});

describe("a body of TorchServe written and read again", () => {
  const payload = fc
    .uint8Array({ maxLength: 30 })
    .map((body) => opaqueTensor("image", body, { contentType: "image/jpeg", filename: "a.jpg" }));

  test.each<Format>(["json-instances", "json", "kserve-v2"])("in %s is the same inputs and outputs", (format) => {
    fc.assert(
      fc.property(rows, slice, (all, slices) => {
        // the envelope takes one element of BYTES, and NaN where a number stands
        const wanted = format === "kserve-v2" ? all.filter(({ datatype }) => datatype !== "BYTES") : all;
        fc.pre(wanted.length > 0);
        const specs = specsOf(wanted);
        const asked = runNow(encodeRequest(ask("m", wanted), { format, boundary: BOUNDARY }, slices));
        const known = { format, contentType: asked.contentType, specs };
        expect(plain(runNow(decodeRequest(Buffer.concat(asked.parts), known, slices)))).toEqual(plain(wanted));
        const response = {
          kind: "whole",
          model: { name: "m", version: "1" },
          outputs: wanted,
          parameters: new Map(),
        } as const;
        const answered = runNow(encodeResponse(response, { format }, slices));
        const outputs = runNow(decodeResponse(Buffer.concat(answered.parts), { ...known, form: "json" }, slices));
        expect(plain(outputs)).toEqual(plain(wanted));
      }),
      SEED,
    );
  });

  test.each<Format>(["raw", "multipart"])("in %s is the same payload", (format) => {
    fc.assert(
      fc.property(payload, (wanted) => {
        const asked = runNow(encodeRequest(ask("m", [wanted]), { format, boundary: BOUNDARY }));
        const specs = [{ name: "image" }];
        const [read] = runNow(
          decodeRequest(Buffer.concat(asked.parts), { format, contentType: asked.contentType, specs }),
        );
        const own = format === "raw" ? { ...wanted, parameters: new Map([["content_type", "image/jpeg"]]) } : wanted;
        expect(plain(read)).toEqual(plain(own));
      }),
      SEED,
    );
  });

  test("covers every format", () => {
    expect(FORMATS).toEqual(["json-instances", "json", "raw", "multipart", "kserve-v1", "kserve-v2"]);
  });
});

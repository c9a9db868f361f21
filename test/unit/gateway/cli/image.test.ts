import { readFileSync } from "node:fs";
import { encode as encodePng } from "fast-png";
import { encode as encodeJpeg } from "jpeg-js";
import { describe, expect, it } from "vitest";
import type { TensorSpec } from "../../../../core/model.ts";
import { type Image, imageTensor, readImage } from "../../../../gateway/cli/image.ts";
import { valuesOf } from "../../../../gateway/cli/values.ts";

const spec = (shape: readonly number[], datatype: TensorSpec["datatype"] = "FP32"): TensorSpec => ({
  name: "image",
  datatype,
  shape,
});

/** 2 wide, 1 high: red 1, green 2, blue 3, then 4, 5, 6. */
const RGB: Image = { width: 2, height: 1, channels: 3, depth: 8, data: [1, 2, 3, 4, 5, 6] };
const GREY: Image = { width: 2, height: 1, channels: 1, depth: 8, data: [10, 20] };

describe("an image as a model's input", () => {
  it.each([
    [RGB, [-1, 3, 1, 2], [1, 3, 1, 2], [1, 4, 2, 5, 3, 6]],
    [RGB, [1, 3, -1, -1], [1, 3, 1, 2], [1, 4, 2, 5, 3, 6]],
    [RGB, [-1, -1, 2, 3], [1, 1, 2, 3], [1, 2, 3, 4, 5, 6]],
    [RGB, [3, 1, 2], [3, 1, 2], [1, 4, 2, 5, 3, 6]],
    [RGB, [-1, -1, 3], [1, 2, 3], [1, 2, 3, 4, 5, 6]],
    [GREY, [-1, 1, 1, 2], [1, 1, 1, 2], [10, 20]],
    [GREY, [-1, 3, 1, 2], [1, 3, 1, 2], [10, 20, 10, 20, 10, 20]],
    [GREY, [-1, 1, 2], [1, 1, 2], [10, 20]],
    [GREY, [1, 2], [1, 2], [10, 20]],
    [GREY, [-1, 2], [1, 2], [10, 20]],
    [GREY, [2], [2], [10, 20]],
  ])("takes the layout of the input's shape: %#", (image, wanted, shape, values) => {
    const { tensor } = imageTensor(image, spec(wanted), 1);
    expect([tensor.name, tensor.shape, valuesOf(tensor, 99)]).toEqual(["image", shape, values]);
  });

  it("becomes grey by the weights of BT.601, and leaves alpha out", () => {
    const rgba: Image = { width: 1, height: 1, channels: 4, depth: 8, data: [100, 50, 200, 7] };
    expect(valuesOf(imageTensor(rgba, spec([1, 1, 1, 1], "FP64"), 1).tensor, 1)[0]).toBeCloseTo(82.05, 10);
    expect(valuesOf(imageTensor(rgba, spec([1, 3, 1, 1]), 1).tensor, 3)).toEqual([100, 50, 200]);
    const greyAlpha: Image = { width: 1, height: 1, channels: 2, depth: 8, data: [9, 7] };
    expect(valuesOf(imageTensor(greyAlpha, spec([1, 1, 1, 1]), 1).tensor, 1)).toEqual([9]);
  });

  it.each(["UINT8", "INT16", "INT32", "UINT16", "UINT32", "FP16", "FP32", "FP64"] as const)(
    "has the input's datatype %s",
    (datatype) => {
      const { tensor } = imageTensor(GREY, spec([1, 2], datatype), 2);
      expect([tensor.datatype, valuesOf(tensor, 9)]).toEqual([datatype, [20, 40]]);
    },
  );

  it("says what was done", () => {
    expect(imageTensor(GREY, spec([1, 2]), 0.5).said).toBe("2x1 grey, pixel values 0 to 255 times 0.5");
    expect(imageTensor({ ...RGB, depth: 16 }, spec([1, 3, 1, 2]), 1).said).toBe(
      "2x1 RGB, pixel values 0 to 65535 sent as they are (--scale changes that)",
    );
  });

  it.each([
    [spec([-1, 1, 8, 8]), 'input "image" of shape [-1,1,8,8]: expected an image of 8x8 pixels, got 2x1'],
    [
      spec([-1, 1, 1, -1, 5]),
      'input "image" of shape [-1,1,1,-1,5]: expected a shape that an image fits, such as [-1,3,224,224], got 2x1',
    ],
    [spec([-1, 64]), 'input "image" of shape [-1,64]: expected an image of 64 pixels, got 2x1'],
    [spec([1, 2], "BOOL"), 'input "image": expected numbers to be wanted, got BOOL, which an image is not'],
  ])("that does not fit is refused: %#", (input, message) => {
    expect(() => imageTensor(GREY, input, 1)).toThrow(message);
  });

  it("that leaves the range of its datatype is refused", () => {
    expect(() => imageTensor(GREY, spec([1, 2], "UINT8"), 100)).toThrow(
      'input "image": expected values that UINT8 holds, got 1000',
    );
  });
});

describe("an image file", () => {
  it("may be a PNG of 8 or 16 bits", () => {
    const eight = encodePng({ width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect(readImage(eight, "x")).toMatchObject({ width: 2, height: 1, channels: 3, depth: 8 });
    const sixteen = encodePng({ width: 1, height: 1, channels: 1, depth: 16, data: Uint16Array.of(40_000) });
    expect(readImage(sixteen, "x")).toMatchObject({ depth: 16, data: Uint16Array.of(40_000) });
  });

  it("may be a JPEG", () => {
    const { data } = encodeJpeg({ width: 8, height: 8, data: new Uint8Array(256).fill(200) }, 100);
    const image = readImage(data, "x.jpg");
    expect([image.width, image.height, image.channels, image.data.length, image.data[0]]).toEqual([8, 8, 3, 192, 200]);
  });

  it("of the digits is their pixels, sixteenths after scaling", () => {
    const folder = new URL("../../../../models/digits/samples/", import.meta.url);
    const json = JSON.parse(readFileSync(new URL("hard.json", folder), "utf8"));
    const { tensor } = imageTensor(
      readImage(readFileSync(new URL("hard.png", folder)), "x"),
      spec([-1, 1, 8, 8]),
      16 / 255,
    );
    expect(valuesOf(tensor, 64).map((value) => Math.round(Number(value)))).toEqual(json.inputs[0].data);
  });

  it("that is none is refused by name", () => {
    expect(() => readImage(Buffer.from("no image"), "x.png")).toThrow(/^x\.png: expected a PNG or JPEG image: /);
    expect(() => readImage(Buffer.of(0xff, 0xd8, 0xff, 0), "x.jpg")).toThrow(/^x\.jpg: expected a PNG or JPEG image: /);
  });
});

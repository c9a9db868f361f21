// Turns a PNG or JPEG into a model's input: pixel values, times a scale, in the shape and datatype that the model has.

import { convertIndexedToRgb, decode as decodePng } from "fast-png";
import { decode as decodeJpeg } from "jpeg-js";
import type { TensorSpec } from "../../core/model.ts";
import { type Datatype, ELEMENT_BYTES, type Tensor } from "../../core/tensor.ts";
import { CliError } from "./io.ts";

/** Pixels row by row, `channels` values each: grey, grey and alpha, RGB, RGBA. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly depth: 8 | 16;
  readonly data: ArrayLike<number>;
}

/** @throws CliError when the file is no image that can be read */
export function readImage(bytes: Uint8Array, file: string): Image {
  try {
    return bytes[0] === 0xff ? readJpeg(bytes) : readPng(bytes, file);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      `${file}: expected a PNG or JPEG image: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function readJpeg(bytes: Uint8Array): Image {
  const { width, height, data } = decodeJpeg(bytes, { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: 512 });
  return { width, height, channels: 3, depth: 8, data };
}

function readPng(bytes: Uint8Array, file: string): Image {
  const png = decodePng(bytes);
  const { width, height, channels, depth, data } = png;
  if (png.palette !== undefined) {
    const entry = png.palette[0]?.length ?? 3;
    return { width, height, channels: entry, depth: 8, data: convertIndexedToRgb(png) };
  }
  if (depth !== 8 && depth !== 16) throw new CliError(`${file}: expected 8 or 16 bits a channel, got ${depth}`);
  return { width, height, channels, depth, data };
}

/** The image as a tensor, and how it was made, for the person who sent it. */
export interface Converted {
  readonly tensor: Tensor;
  readonly said: string;
}

/**
 * The image as one row for the input. The layout follows from the input's shape: a dimension of 1 or 3 before or after
 * two others is the channels; without one the image is grey; a single dimension takes all pixels.
 *
 * @param scale what each pixel value is multiplied by
 * @throws CliError when the image does not fit
 */
export function imageTensor(image: Image, spec: TensorSpec, scale: number): Converted {
  const layout = layoutOf(image, spec);
  const { channels } = layout;
  const pixels = image.width * image.height;
  const values = new Float64Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const at = layout.first ? channel * pixels + pixel : pixel * channels + channel;
      values[at] = sample(image, pixel, { channel, channels }) * scale;
    }
  }
  const data = elements(values, spec);
  const colour = channels === 1 ? "grey" : "RGB";
  const times = scale === 1 ? "sent as they are (--scale changes that)" : `times ${Number(scale.toPrecision(4))}`;
  const said = `${image.width}x${image.height} ${colour}, pixel values 0 to ${2 ** image.depth - 1} ${times}`;
  return { tensor: { name: spec.name, datatype: spec.datatype, shape: layout.shape, data }, said };
}

interface Layout {
  readonly shape: readonly number[];
  readonly channels: 1 | 3;
  /** Whether the channels stand before height and width. */
  readonly first: boolean;
}

function layoutOf(image: Image, spec: TensorSpec): Layout {
  const { width, height } = image;
  const layout = plainLayout(spec.shape);
  const wanted = (message: string) =>
    new CliError(
      `input "${spec.name}" of shape [${spec.shape.join(",")}]: expected ${message}, got ${width}x${height}`,
    );
  if (layout === undefined) throw wanted("a shape that an image fits, such as [-1,3,224,224]");
  if (layout.dims === undefined) {
    if (layout.size !== -1 && layout.size !== width * height) throw wanted(`an image of ${layout.size} pixels`);
    return { shape: [...layout.batch, width * height], channels: 1, first: true };
  }
  const [rows, columns] = layout.dims;
  if ((rows !== -1 && rows !== height) || (columns !== -1 && columns !== width)) {
    const size = (dim: number) => (dim === -1 ? "any" : String(dim));
    throw wanted(`an image of ${size(columns)}x${size(rows)} pixels`);
  }
  const { batch, channels, first } = layout;
  if (channels === undefined) return { shape: [...batch, height, width], channels: 1, first: true };
  return { shape: first ? [...batch, channels, height, width] : [...batch, height, width, channels], channels, first };
}

interface Plain {
  readonly batch: readonly number[];
  /** Height and width; undefined where one dimension takes all pixels. */
  readonly dims?: readonly [number, number];
  readonly size?: number;
  readonly channels?: 1 | 3;
  readonly first: boolean;
}

function plainLayout(shape: readonly number[]): Plain | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = shape;
  const isBatch = (size: number) => size === -1 || size === 1;
  const isColour = (size: number): size is 1 | 3 => size === 1 || size === 3;
  if (shape.length === 4 && isBatch(a)) {
    if (isColour(b)) return { batch: [1], dims: [c, d], channels: b, first: true };
    return isColour(d) ? { batch: [1], dims: [b, c], channels: d, first: false } : undefined;
  }
  if (shape.length === 3) {
    if (a === 3 || (a === 1 && !isColour(c))) return { batch: [], dims: [b, c], channels: a, first: true };
    if (c === 3) return { batch: [], dims: [a, b], channels: c, first: false };
    return a === -1 ? { batch: [1], dims: [b, c], first: true } : undefined;
  }
  if (shape.length === 2)
    return a === -1 ? { batch: [1], size: b, first: true } : { batch: [], dims: [a, b], first: true };
  return shape.length === 1 ? { batch: [], size: a, first: true } : undefined;
}

// Alpha is left out. Grey from colours by the weights of ITU-R BT.601.
function sample(image: Image, pixel: number, want: { readonly channel: number; readonly channels: number }): number {
  const { channels, data } = image;
  const at = (offset: number) => data[pixel * channels + offset] ?? 0;
  if (channels < 3) return at(0);
  if (want.channels === 3) return at(want.channel);
  return 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2);
}

const INTEGERS: Partial<Record<Datatype, readonly [number, number]>> = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 2 ** 32 - 1],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
};

function elements(values: Float64Array, { name, datatype }: TensorSpec): Uint8Array {
  if (datatype === "FP64") return new Uint8Array(values.buffer);
  if (datatype === "FP32") return new Uint8Array(Float32Array.from(values).buffer);
  if (datatype === "FP16") return new Uint8Array(Float16Array.from(values).buffer);
  const range = INTEGERS[datatype];
  if (range === undefined)
    throw new CliError(`input "${name}": expected numbers to be wanted, got ${datatype}, which an image is not`);
  const data = new Uint8Array(values.length * ELEMENT_BYTES[datatype]);
  for (const [i, value] of values.entries()) {
    const rounded = Math.round(value);
    if (rounded < range[0] || rounded > range[1]) {
      throw new CliError(`input "${name}": expected values that ${datatype} holds, got ${rounded}`);
    }
    for (let k = 0; k < ELEMENT_BYTES[datatype]; k += 1)
      data[i * ELEMENT_BYTES[datatype] + k] = (rounded >> (8 * k)) & 255;
  }
  return data;
}

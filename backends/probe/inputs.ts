// Made-up inputs for a model of which only the signature is known: harmless small values, the same in every run.

import type { Signature, TensorSpec } from "../../core/model.ts";
import { ELEMENT_BYTES, elementCount, joinBytesElements, type Tensor } from "../../core/tensor.ts";

/** Sizes that the signature leaves open are 1; a row is what lies under a first dimension of 1. */
export function madeUpRow(signature: Signature, seed: number): readonly Tensor[] {
  const needed = signature.inputs.filter(({ optional }) => optional !== true);
  const [first] = signature.inputs;
  const given = needed.length > 0 || first === undefined ? needed : [first];
  return given.map((spec, i) => madeUp(spec, noise(seed * 1009 + i)));
}

/** Whether the first dimension of every input and output may count rows. */
export function mayHaveRows({ inputs, outputs }: Signature): boolean {
  return inputs.length > 0 && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

/** Rows one behind the other, input by input; all of them have the same inputs. */
export function joined(rows: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first = []] = rows;
  return first.map((tensor, i) => {
    const all = rows.flatMap((row) => row[i] ?? []);
    const [, ...rest] = tensor.shape;
    return { ...tensor, shape: [all.length, ...rest], data: Buffer.concat(all.map(({ data }) => data)) };
  });
}

function madeUp({ name, datatype, shape: told }: TensorSpec, next: () => number): Tensor {
  const shape = told.map((size) => (size < 0 ? 1 : size));
  const count = elementCount(shape);
  if (datatype === "BYTES") {
    const elements = Array.from({ length: count }, () => Buffer.from(`text ${Math.floor(next() * 10)}`));
    return { name, datatype, shape, data: joinBytesElements(elements) };
  }
  const width = ELEMENT_BYTES[datatype];
  const data = new Uint8Array(count * width);
  const view = new DataView(data.buffer);
  for (let i = 0; i < count; i += 1) {
    const value = next();
    switch (datatype) {
      case "FP64":
        view.setFloat64(i * width, value, true);
        break;
      case "FP32":
        view.setFloat32(i * width, value, true);
        break;
      // 0.5, 0.625, 0.75 and 0.875: the top bits of the fraction are at hand without rounding
      case "FP16":
        view.setUint16(i * width, 0x3800 | (Math.floor(value * 4) << 8), true);
        break;
      case "BF16":
        view.setUint16(i * width, 0x3f00 | (Math.floor(value * 4) << 5), true);
        break;
      case "BOOL":
        data[i] = value < 0.5 ? 0 : 1;
        break;
      // an integer below 10 has all of its value in its first byte
      default:
        data[i * width] = Math.floor(value * 10);
    }
  }
  return { name, datatype, shape, data };
}

// mulberry32
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

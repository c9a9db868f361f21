// Whether an answer is the recorded one, within a tolerance.

import { bytesElements, type Datatype, ELEMENT_BYTES, type Tensor } from "../../core/tensor.ts";

export interface Tolerance {
  /** Relative to the recorded value, and absolute. Source: numpy.isclose. */
  readonly rtol: number;
  readonly atol: number;
}

/** The first difference from the recorded outputs in words; undefined where there is none. */
export function deviationOf(
  recorded: readonly Tensor[],
  got: readonly Tensor[],
  tolerance: Tolerance,
): string | undefined {
  for (const one of recorded) {
    const other = got.find(({ name }) => name === one.name);
    if (other === undefined) return `output "${one.name}" is missing`;
    if (other.datatype !== one.datatype || other.shape.join() !== one.shape.join()) {
      return `output "${one.name}" is ${formOf(other)}, and was ${formOf(one)}`;
    }
    const at = differsAt(one, other, tolerance);
    if (at !== undefined) return `output "${one.name}" differs from value ${at} on`;
  }
  return undefined;
}

function formOf({ datatype, shape }: Tensor): string {
  return `${datatype} [${shape.join(",")}]`;
}

type Read = (view: DataView, at: number) => number;

const FLOATS: Partial<Readonly<Record<Datatype, Read>>> = {
  FP16: (view, at) => view.getFloat16(at, true),
  // the upper half of an FP32
  BF16: (view, at) => {
    const bits = new DataView(new ArrayBuffer(4));
    bits.setUint16(2, view.getUint16(at, true), true);
    return bits.getFloat32(0, true);
  },
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

/** The place of the first value that differs: bytes for what is not a float, numbers within the tolerance for what is. */
function differsAt(recorded: Tensor, got: Tensor, { rtol, atol }: Tolerance): number | undefined {
  const read = FLOATS[recorded.datatype];
  if (read === undefined) {
    if (Buffer.compare(recorded.data, got.data) === 0) return undefined;
    return recorded.datatype === "BYTES" ? textAt(recorded, got) : 0;
  }
  const width = ELEMENT_BYTES[recorded.datatype];
  const [a, b] = [viewOf(recorded.data), viewOf(got.data)];
  for (let at = 0; at < recorded.data.byteLength; at += width) {
    const [was, is] = [read(a, at), read(b, at)];
    const isClose = Object.is(was, is) || was === is || Math.abs(was - is) <= atol + rtol * Math.abs(was);
    if (!isClose) return at / width;
  }
  return undefined;
}

function textAt(recorded: Tensor, got: Tensor): number {
  const others = [...bytesElements(got.data)];
  return [...bytesElements(recorded.data)].findIndex(
    (one, i) => Buffer.compare(one, others[i] ?? one.subarray(0, 0)) !== 0,
  );
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

// Calls that the servers of plain JSON are asked alike, and what ONNX Runtime itself answers to them.

import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect } from "vitest";
import type { Connection, Door } from "../../backends/connection.ts";
import type { Signature } from "../../core/model.ts";
import type { Tensor } from "../../core/tensor.ts";
import { seededRandom } from "../support/fake-env.ts";
import { ROOT } from "../support/gateway.ts";
import { connectKind, type TestedKind } from "../support/kind-door.ts";
import { liveDoor } from "../support/live-door.ts";

/** The connection of a kind to a server on this machine, with the signatures that the config declares. */
export function connectLive(
  kind: TestedKind,
  port: number,
  told: { readonly words?: object; readonly signatures?: Readonly<Record<string, Signature>> } = {},
): Connection {
  const door = liveDoor(`http://127.0.0.1:${port}`);
  const { signatures = {} } = told;
  const declared: Door = {
    ...door,
    signature: async (model, signal) => {
      const signature = signatures[model.name];
      if (signature === undefined) return door.signature(model, signal);
      return { ...signature, name: model.name, version: "1", versions: ["1"], platform: "", stateful: false };
    },
  };
  return connectKind(kind, told.words ?? {}, declared);
}

/** The demo model `digits` as a config declares it. */
export const DIGITS: Signature = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
    { name: "digit", datatype: "INT64", shape: [-1] },
  ],
};

/** Pictures of noise, the same in every run. */
export function pictures(rows: number, seed = 1): Tensor {
  const random = seededRandom(seed);
  const data = Float32Array.from({ length: rows * 64 }, () => Math.fround(random() * 16));
  return { name: "image", datatype: "FP32", shape: [rows, 1, 8, 8], data: new Uint8Array(data.buffer) };
}

/** What ONNX Runtime answers in this process, output by output, as hexadecimal digits. */
export async function reference(version: string, image: Tensor): Promise<Readonly<Record<string, string>>> {
  const session = await InferenceSession.create(join(ROOT, "models", "digits", version, "model.onnx"));
  const feed = new OrtTensor("float32", new Float32Array(Uint8Array.from(image.data).buffer), [...image.shape]);
  const answer = await session.run({ image: feed });
  return Object.fromEntries(
    Object.entries(answer).map(([name, { data }]) => {
      const array = data as Float32Array | BigInt64Array;
      return [name, Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("hex")];
    }),
  );
}

/** The tensors' bytes by name, as hexadecimal digits. */
export function hexOf(tensors: readonly Tensor[]): Readonly<Record<string, string>> {
  return Object.fromEntries(tensors.map(({ name, data }) => [name, Buffer.from(data).toString("hex")]));
}

/** Checks that tensors are those of ONNX Runtime, byte for byte. */
export async function expectDigits(tensors: readonly Tensor[], image: Tensor, version: string): Promise<void> {
  const expected = await reference(version, image);
  const got = hexOf(tensors);
  for (const name of Object.keys(got)) expect(got[name], name).toBe(expected[name]);
  expect(Object.keys(got).length).toBeGreaterThan(0);
}

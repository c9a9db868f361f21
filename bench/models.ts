// The models that are measured: networks of random weights, made on first use and kept in the user's cache.

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Graph, type Layer, type Weights, writeOnnx } from "./onnx-writer.ts";
import { randomFrom, uniformFloats } from "./random.ts";

/** To be raised whenever a model changes. */
const EDITION = 2;

export interface Model {
  readonly name: string;
  /** Of one row. */
  readonly inputShape: readonly number[];
  readonly input: string;
  readonly output: string;
  make(): Graph;
}

/** Dense layers with ReLU between them. */
function mlp(name: string, sizes: readonly number[]): Model {
  const inputs = sizes[0] ?? 0;
  const make = (): Graph => {
    const random = randomFrom(sizes.length);
    const layers: Layer[] = [];
    const weights: Weights[] = [];
    let from = "x";
    for (const [i, outputs] of sizes.slice(1).entries()) {
      const fanIn = sizes[i] ?? 0;
      const last = i === sizes.length - 2;
      weights.push({ name: `w${i}`, shape: [fanIn, outputs], values: weightsOf(fanIn, fanIn * outputs, random) });
      weights.push({ name: `b${i}`, shape: [outputs], values: uniformFloats(outputs, random, 0.1) });
      layers.push({ op: "Gemm", inputs: [from, `w${i}`, `b${i}`], output: last ? "y" : `h${i}` });
      if (!last) layers.push({ op: "Relu", inputs: [`h${i}`], output: `r${i}` });
      from = `r${i}`;
    }
    return {
      name,
      layers,
      weights,
      input: { name: "x", shape: ["batch", inputs] },
      output: { name: "y", shape: ["batch", sizes.at(-1) ?? 0] },
    };
  };
  return { name, inputShape: [inputs], input: "x", output: "y", make };
}

/** Channels and stride of each 3x3 convolution: 3.0 GMAC, about 50 ms on one thread of a server of 2025. */
const CONVOLUTIONS: readonly (readonly [channels: number, stride: number])[] = [
  [32, 2],
  [64, 1],
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [256, 1],
  [256, 1],
];

const PICTURE = [3, 224, 224];

/** A plain convolutional net on a picture. */
const conv: Model = {
  name: "conv",
  inputShape: PICTURE,
  input: "x",
  output: "y",
  make() {
    const random = randomFrom(224);
    const layers: Layer[] = [];
    const weights: Weights[] = [];
    let from = "x";
    let channels = 3;
    for (const [i, [outputs, stride]] of CONVOLUTIONS.entries()) {
      const fanIn = channels * 9;
      weights.push({
        name: `w${i}`,
        shape: [outputs, channels, 3, 3],
        values: weightsOf(fanIn, fanIn * outputs, random),
      });
      const attributes = { kernel_shape: [3, 3], strides: [stride, stride], pads: [1, 1, 1, 1] };
      layers.push({ op: "Conv", inputs: [from, `w${i}`], output: `c${i}`, attributes });
      layers.push({ op: "Relu", inputs: [`c${i}`], output: `r${i}` });
      from = `r${i}`;
      channels = outputs;
    }
    weights.push({ name: "w", shape: [channels, 1000], values: weightsOf(channels, channels * 1000, random) });
    layers.push({ op: "GlobalAveragePool", inputs: [from], output: "pool" });
    layers.push({ op: "Flatten", inputs: ["pool"], output: "flat", attributes: { axis: 1 } });
    layers.push({ op: "Gemm", inputs: ["flat", "w"], output: "y" });
    return {
      name: "conv",
      layers,
      weights,
      input: { name: "x", shape: ["batch", ...PICTURE] },
      output: { name: "y", shape: ["batch", 1000] },
    };
  },
};

/** The mean of each colour: next to no work, so that what is measured is the way to the model. */
const mean: Model = {
  name: "mean",
  inputShape: PICTURE,
  input: "x",
  output: "y",
  make: () => ({
    name: "mean",
    layers: [{ op: "GlobalAveragePool", inputs: ["x"], output: "y" }],
    weights: [],
    input: { name: "x", shape: ["batch", ...PICTURE] },
    output: { name: "y", shape: ["batch", 3, 1, 1] },
  }),
};

/** Next to no work on an input as long as that of `large`: what is measured is the way there and back. */
const idle: Model = {
  name: "idle",
  inputShape: [1024],
  input: "x",
  output: "y",
  make: () => ({
    name: "idle",
    layers: [{ op: "Relu", inputs: ["x"], output: "y" }],
    weights: [],
    input: { name: "x", shape: ["batch", 1024] },
    output: { name: "y", shape: ["batch", 1024] },
  }),
};

export const models = {
  idle,
  large: mlp("large", [1024, 2048, 2048, 1000]),
  small: mlp("small", [64, 128, 128, 10]),
  conv,
  mean,
} as const;

/** Weights that keep the signal's size from layer to layer, so that no run meets denormals or infinities. */
function weightsOf(fanIn: number, count: number, random: () => number): Float32Array<ArrayBuffer> {
  return uniformFloats(count, random, Math.sqrt(6 / fanIn));
}

/** The folder that holds these models as `<model>/1/model.onnx`; those that are not there are made. */
export function modelRepository(wanted: readonly Model[]): string {
  const names = wanted.map((model) => model.name).sort();
  const folder = join(homedir(), ".cache", "sluice", "bench-models", String(EDITION), names.join("-"));
  for (const model of wanted) {
    const path = modelPath(folder, model);
    if (existsSync(path)) continue;
    mkdirSync(join(folder, model.name, "1"), { recursive: true });
    // renamed when whole: a run that is cut short leaves nothing that looks like a model
    const part = `${path}.${process.pid}`;
    try {
      writeFileSync(part, writeOnnx(model.make()));
      renameSync(part, path);
    } finally {
      rmSync(part, { force: true });
    }
  }
  return folder;
}

export function modelPath(repository: string, model: Model): string {
  return join(repository, model.name, "1", "model.onnx");
}

/** A batch of inputs for the model: the same for the same seed. */
export function inputFor(model: Model, rows: number, seed: number): Float32Array<ArrayBuffer> {
  return uniformFloats(
    model.inputShape.reduce((product, size) => product * size, rows),
    randomFrom(seed),
  );
}

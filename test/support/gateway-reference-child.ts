// Runs models with ONNX Runtime directly, for its parent: what the gateway's answers are held against.

import { InferenceSession, Tensor } from "onnxruntime-node";

/** One run as the parent asks for it: values are typed arrays, or strings for texts. */
export interface Run {
  readonly serial: number;
  readonly path: string;
  readonly feeds: Readonly<Record<string, Feed>>;
}

export interface Feed {
  readonly type: string;
  readonly data: Uint8Array | readonly string[];
  readonly dims: readonly number[];
}

const ARRAYS: Readonly<Record<string, (buffer: ArrayBuffer) => ArrayBufferView>> = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

// the pool's own options (design.md, Backends): a sum in another order would have other last bits
const OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: "0" } } },
};

const sessions = new Map<string, Promise<InferenceSession>>();

process.on("message", async (run: Run) => {
  try {
    const opened = sessions.get(run.path) ?? InferenceSession.create(run.path, OPTIONS);
    sessions.set(run.path, opened);
    const session = await opened;
    const results = await session.run(
      Object.fromEntries(Object.entries(run.feeds).map(([name, feed]) => [name, tensorOf(feed)])),
    );
    const outputs = session.outputNames.map((name) => [name, feedOf(results[name] as Tensor)] as const);
    process.send?.({ serial: run.serial, outputs: Object.fromEntries(outputs) });
  } catch (error) {
    process.send?.({ serial: run.serial, error: String(error) });
  }
});

function tensorOf({ type, data, dims }: Feed): Tensor {
  if (!(data instanceof Uint8Array)) return new Tensor("string", [...(data as readonly string[])], [...dims]);
  const array = ARRAYS[type];
  if (array === undefined) throw new Error(`no array for ${type}`);
  const owned = new Uint8Array(data).buffer;
  return new Tensor(type as "float32", array(owned) as Float32Array, [...dims]);
}

function feedOf(tensor: Tensor): Feed {
  const { type, data, dims } = tensor;
  if (type === "string") return { type, data: data as string[], dims };
  const view = data as Float32Array;
  return { type, data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice(), dims };
}

// Writes ONNX models: the few messages of onnx.proto that a network of layers needs, in protobuf's wire format.

const FLOAT = 1;
const IR_VERSION = 8;
const OPSET = 17;

/** A node of the graph; attributes are an integer or a list of integers. */
export interface Layer {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface Weights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** A float tensor that goes in or comes out; a word stands for a dimension of any size. */
export interface Port {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export interface Graph {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly weights: readonly Weights[];
  readonly input: Port;
  readonly output: Port;
}

/** The bytes of `model.onnx`. Field numbers: onnx.proto, IR version 8. */
export function writeOnnx(graph: Graph): Uint8Array {
  return message([
    [1, IR_VERSION],
    [2, "sluice-bench"],
    [7, writeGraph(graph)],
    [8, message([[2, OPSET]])],
  ]);
}

function writeGraph(graph: Graph): Uint8Array {
  return message([
    ...graph.layers.map((layer): Field => [1, writeNode(layer)]),
    [2, graph.name],
    ...graph.weights.map((weights): Field => [5, writeWeights(weights)]),
    [11, writePort(graph.input)],
    [12, writePort(graph.output)],
  ]);
}

function writeNode(layer: Layer): Uint8Array {
  const attributes = Object.entries(layer.attributes ?? {});
  return message([
    ...layer.inputs.map((name): Field => [1, name]),
    [2, layer.output],
    [3, layer.output],
    [4, layer.op],
    ...attributes.map((attribute): Field => [5, writeAttribute(...attribute)]),
  ]);
}

function writeAttribute(name: string, value: number | readonly number[]): Uint8Array {
  // AttributeProto.type: 2 is INT, 7 is INTS
  if (typeof value === "number")
    return message([
      [1, name],
      [3, value],
      [20, 2],
    ]);
  return message([[1, name], ...value.map((one): Field => [8, one]), [20, 7]]);
}

function writeWeights({ name, shape, values }: Weights): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return message([...shape.map((size): Field => [1, size]), [2, FLOAT], [8, name], [9, raw]]);
}

function writePort({ name, shape }: Port): Uint8Array {
  const sizes = shape.map((size): Field => [1, message([typeof size === "number" ? [1, size] : [2, size]])]);
  return message([
    [1, name],
    [
      2,
      message([
        [
          1,
          message([
            [1, FLOAT],
            [2, message(sizes)],
          ]),
        ],
      ]),
    ],
  ]);
}

/** A field's number and its value: a number is a varint, text and bytes are length-delimited. */
type Field = readonly [number: number, value: number | string | Uint8Array];

function message(fields: readonly Field[]): Uint8Array {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [varint(number * 8), varint(value)];
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    return [varint(number * 8 + 2), varint(bytes.byteLength), bytes];
  });
  return Buffer.concat(parts);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.of(...bytes, rest);
}

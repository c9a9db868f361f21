// HTTP requests as bytes, made once before the clock runs.

export interface Body {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A POST that keeps its connection open. */
export function post(path: string, body: Body): Uint8Array {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    ...Object.entries(body.headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.bytes.byteLength}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body.bytes]);
}

export interface OneInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** An OIP request of one FP32 input as a blob, its answer asked for as blobs too. */
export function binaryBody({ name, shape, values }: OneInput): Body {
  const blob = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const input = { name, shape, datatype: "FP32", parameters: { binary_data_size: blob.byteLength } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  return {
    bytes: Buffer.concat([json, blob]),
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(json.byteLength),
    },
  };
}

/** An OIP request of one FP32 input in JSON, each number written by `write`. */
export function jsonBody({ name, shape, values }: OneInput, write: (value: number) => string): Body {
  const data = Array.from(values, write).join(", ");
  const text = `{"inputs": [{"name": "${name}", "shape": [${shape.join(", ")}], "datatype": "FP32", "data": [${data}]}]}`;
  return { bytes: Buffer.from(text), headers: { "content-type": "application/json" } };
}

/** A double as Python's json.dumps writes it: the shortest digits that read back the same, an exponent below 1e-4. */
export function pythonNumber(value: number): string {
  const size = Math.abs(value);
  if (Object.is(value, -0)) return "-0.0";
  if (Number.isInteger(value) && size < 1e16) return value.toFixed(1);
  if (size >= 1e-4 && size < 1e16) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** A number with six decimals, as many clients print. */
export function shortNumber(value: number): string {
  return value.toFixed(6);
}

// What is asked of a server about each datatype when its answers are recorded, in the forms that its wires have.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { DATATYPE_CASES, type DatatypeCase } from "../../support/datatype-cases.ts";
import { type GrpcQuestion, type HttpQuestion, post, postBinary } from "../support/questions.ts";
import { PYTHON } from "./paths.ts";

const run = promisify(execFile);

/** The input's name. */
export const inputOf = ({ datatype }: DatatypeCase) => datatype.toLowerCase();

/** To `echo`, by the binary extension. */
export const OIP_BINARY: readonly HttpQuestion[] = DATATYPE_CASES.map((one) => {
  const data = Buffer.from(one.hex, "hex");
  const { datatype, shape } = one;
  return postBinary(`datatype-${one.name}`, "/v2/models/echo/infer", {
    head: {
      inputs: [{ name: inputOf(one), shape, datatype, parameters: { binary_data_size: data.byteLength } }],
      parameters: { binary_data_output: true },
    },
    tensors: [data],
  });
});

/** To `echo`, in JSON. */
export const OIP_JSON: readonly HttpQuestion[] = DATATYPE_CASES.filter(({ name }) => name !== "bytes-odd").map(
  (one) => {
    const head = JSON.stringify({ name: inputOf(one), shape: one.shape, datatype: one.datatype }).slice(0, -1);
    return post(`datatype-${one.name}`, "/v2/models/echo/infer", `{"inputs":[${head},"data":[${one.json}]}]}`);
  },
);

/** What Sluice writes as JSON outside the Open Inference Protocol: halves have no form there. */
export const ROW_CASES: readonly DatatypeCase[] = DATATYPE_CASES.filter(
  ({ datatype }) => datatype !== "FP16" && datatype !== "BF16",
);

/** To a path that takes an object of columns. */
export function columnQuestions(path: string): readonly HttpQuestion[] {
  const carried = ROW_CASES.filter(({ name }) => name !== "bytes-odd");
  return carried.map((one) => post(`datatype-${one.name}`, path, `{"${inputOf(one)}":[[${one.json}]]}`));
}

/** To a path that takes rows under `instances`, each an object. */
export function rowQuestions(before: string, path: string): readonly HttpQuestion[] {
  return ROW_CASES.map((one) =>
    post(`${before}datatype-${one.name}`, path, `{"instances":[{"${inputOf(one)}":[${one.json}]}]}`),
  );
}

/** To a path for each datatype that takes rows under `instances`, without names. */
export function bareQuestions(before: string, path: (datatype: string) => string): readonly HttpQuestion[] {
  return ROW_CASES.map((one) =>
    post(`${before}datatype-${one.name}`, path(inputOf(one)), `{"instances":[[${one.json}]]}`),
  );
}

/** The messages of another script in `python/`, which is told the cases: all when absent. */
export async function datatypeMessages(
  python: string,
  script: string,
  cases: readonly DatatypeCase[] = DATATYPE_CASES,
): Promise<readonly GrpcQuestion[]> {
  const { stdout } = await run(python, [join(PYTHON, script), JSON.stringify(cases)]);
  return JSON.parse(stdout) as readonly GrpcQuestion[];
}

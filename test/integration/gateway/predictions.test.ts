// The gateway's predictions are those of ONNX Runtime called directly, bit for bit, whichever way tensors travel.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "../../support/gateway.ts";
import {
  chance,
  DEMO_VERSIONS,
  type DemoModel,
  demoFile,
  demoSamples,
  randomInputs,
  startDemo,
} from "../../support/gateway-demo.ts";
import {
  type Body,
  binaryBody,
  elements,
  type InferAnswer,
  jsonBody,
  mixedBody,
  type Plain,
  readInfer,
  sameNaN,
} from "../../support/gateway-oip.ts";
import { openReference, type Reference } from "../../support/gateway-reference.ts";

let gateway: TestGateway;
let reference: Reference;

beforeAll(async () => {
  reference = openReference();
  gateway = await startDemo();
});

afterAll(async () => {
  await gateway.close();
  await reference.close();
});

async function infer(path: string, { body, headers }: Body): Promise<InferAnswer> {
  return readInfer(await gateway.ask({ path: `/v2/models/${path}/infer`, body, headers }));
}

const asJson = (output: Plain) => ({ parameters: { binary_data: output.datatype === "FP16" } });

/** Each way that tensors may travel, and whether JSON is among it (which has one NaN only). */
const WAYS: readonly (readonly [string, (inputs: readonly Plain[], outputs: readonly Plain[]) => Body, boolean])[] = [
  ["JSON both ways", (inputs) => jsonBody(inputs), true],
  ["binary both ways", (inputs) => binaryBody(inputs), false],
  ["JSON in, binary out", (inputs) => jsonBody(inputs, { parameters: { binary_data_output: true } }), true],
  ["binary in, JSON out", (inputs) => binaryBody(inputs, {}), true],
  [
    "mixed",
    (inputs, outputs) =>
      mixedBody(inputs, {
        binary: inputs.slice(0, 1).map((input) => input.name),
        beside: {
          outputs: outputs.map((output, index) => ({
            name: output.name,
            ...(index % 2 === 0 ? { parameters: { binary_data: true } } : asJson(output)),
          })),
        },
      }),
    true,
  ],
];

const ROWS = [1, 2, 7, 33];

test.each(DEMO_VERSIONS.flatMap(([model, version]) => WAYS.map(([way]) => [model, version, way] as const)))(
  "%s version %s answers what ONNX Runtime answers: %s",
  async (model, version, way) => {
    const [, bodyOf, narrow] = WAYS.find(([name]) => name === way)!;
    const dice = chance(model.length * 31 + way.length);
    const canonical = narrow ? sameNaN : (tensor: Plain) => tensor;
    for (const rows of model === "language" ? ROWS : [0, ...ROWS]) {
      const inputs = randomInputs(model, dice, { rows }).map(canonical);
      const expected = await reference.run(demoFile(model, version), inputs);
      const answer = await infer(`${model}/versions/${version}`, bodyOf(inputs, expected));
      expect([answer.model_name, answer.model_version]).toEqual([model, version]);
      for (const [index, output] of answer.outputs.entries()) {
        const { name, datatype, shape, data } = canonical(expected[index]!);
        const got = canonical(output);
        expect([got.name, got.datatype, got.shape]).toEqual([name, datatype, shape]);
        expect(Buffer.from(got.data).equals(data), `${name} of ${rows} rows`).toBe(true);
      }
      expect(answer.outputs).toHaveLength(expected.length);
    }
  },
);

test.each(["add_sub", "digits", "iris", "language"] as const)(
  "the samples of %s give what they are said to give",
  async (model: DemoModel) => {
    const answers: Record<string, string> = { digits: "digit", iris: "label", language: "label" };
    for (const { name, body, sample } of demoSamples(model)) {
      for (const [version, expected] of Object.entries(sample.versions)) {
        const { outputs } = await infer(`${model}/versions/${version}`, { body: Buffer.from(body), headers: {} });
        const valuesOf = (output: string) => elements(outputs.find((one) => one.name === output)!).map(String);
        if (typeof expected === "object" && expected !== null && !Array.isArray(expected)) {
          for (const [output, values] of Object.entries(expected)) {
            expect(valuesOf(output), name).toEqual((values as number[]).map(String));
          }
          continue;
        }
        expect(valuesOf(answers[model]!), `${name} version ${version}`).toEqual([expected].flat().map(String));
      }
    }
  },
);

test("without a version the newest answers", async () => {
  const inputs = randomInputs("digits", chance(5), { rows: 3, finite: true });
  const newest = await infer("digits", binaryBody(inputs));
  const second = await infer("digits/versions/2", binaryBody(inputs));
  expect(newest).toEqual(second);
  expect(newest.model_version).toBe("2");
});

test("outputs come in the order asked for, and only those", async () => {
  const inputs = randomInputs("add_sub", chance(6), { rows: 2 });
  const names = async (beside: Record<string, unknown>) =>
    (await infer("add_sub", jsonBody(inputs, beside))).outputs.map((output) => output.name);
  expect(await names({})).toEqual(["OUTPUT0", "OUTPUT1"]);
  expect(await names({ outputs: [] })).toEqual(["OUTPUT0", "OUTPUT1"]);
  expect(await names({ outputs: [{ name: "OUTPUT1" }, { name: "OUTPUT0" }] })).toEqual(["OUTPUT1", "OUTPUT0"]);
  expect(await names({ outputs: [{ name: "OUTPUT1" }] })).toEqual(["OUTPUT1"]);
});

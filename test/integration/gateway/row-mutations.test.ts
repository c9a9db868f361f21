// Mutated requests to the fronts that speak in rows: each gets a right answer or a clear refusal, and nothing is harmed.

import { afterEach, expect, test } from "vitest";
import { runNow } from "../../../wire/sliced.ts";
import { exampleWith } from "../../../wire/tfs-examples.ts";
import { decodeResponse, encodeRequest } from "../../../wire/tfs-proto.ts";
import { encodeMetadataRequest, encodeStatusRequest } from "../../../wire/tfs-proto-documents.ts";
import { encodeExamplesRequest, encodeMultiRequest } from "../../../wire/tfs-proto-examples.ts";
import { type Chance, chance } from "../../support/gateway-demo.ts";
import { grpcCaller } from "../../support/gateway-grpc.ts";
import { damage, mutatedRows, type RowShot } from "../../support/gateway-row-mutations.ts";
import { floats, floatsIn, type RowGateway, rowGateway } from "../../support/gateway-rows.ts";
import { type Answer, ask, keptConnections } from "../../support/http-client.ts";

/** More for a soak: SLUICE_TEST_MUTATIONS=100000. */
const COUNT = Number(process.env.SLUICE_TEST_MUTATIONS ?? 3_000);
const GRPC_COUNT = COUNT / 5;
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20_260_501);
const CLIENTS = 24;

const MODELS = `models:
  half: {backend: local, labels: {stable: "1"}}
  pair: {backend: local}
  words: {backend: local}
  echo: {backend: local}
  tensorflow: {backend: tf}
  half-kserve: {backend: local, model: half, dialect: kserve-v1}
  half-tfs: {backend: local, model: half, dialect: tf-serving}
  echo-kserve: {backend: local, model: echo, dialect: kserve-v1}
`;

let rows: RowGateway | undefined;
afterEach(async () => {
  await rows?.gateway.close();
  rows = undefined;
});

interface Report {
  readonly statuses: Record<number, number>;
  readonly faults: string[];
  /** Answers of `half` whose values were compared with those of plain JSON and arithmetic. */
  compared: number;
}

async function storm(count: number, shoot: (serial: number, report: Report) => Promise<string | undefined>) {
  const report: Report = { statuses: {}, faults: [], compared: 0 };
  let next = 0;
  const client = async () => {
    while (next < count) {
      const serial = next++;
      const fault = await shoot(serial, report).catch((error: unknown) => `no answer: ${error}`);
      if (fault !== undefined) report.faults.push(`seed ${SEED + serial}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return report;
}

const count = (report: Report, status: number) => {
  report.statuses[status] = (report.statuses[status] ?? 0) + 1;
};

const REFUSALS: ReadonlySet<number> = new Set([400, 404, 413, 414, 415]);

function fault(shot: RowShot, answer: Answer, report: Report): string | undefined {
  const told = `${shot.story.join(", ")} ${shot.path} ${shot.body.toString("latin1").slice(0, 200)}`;
  if (answer.status === 200) {
    const wrong = wrongHalf(shot, answer, report);
    return wrong === undefined ? undefined : `${wrong}: ${answer.body} to ${told}`;
  }
  const { error } = answer.json();
  if (REFUSALS.has(answer.status) && typeof error === "string" && error !== "") {
    if (answer.headers["sluice-error-origin"] === "client") return undefined;
  }
  return `status ${answer.status} ${answer.body} to ${told}`;
}

/** What is wrong with an answer of `half`, where plain JSON can read its question. */
function wrongHalf(shot: RowShot, answer: Answer, report: Report): string | undefined {
  const isHalf = /^\/v1\/models\/half[^:]*:predict$/.test(shot.path);
  const isEvent = shot.headers["content-type"]?.includes("cloudevents") === true;
  if (!isHalf || isEvent || /NaN|Infinity/.test(`${shot.body}`)) return undefined;
  const asked = JSON.parse(`${shot.body}`) as Readonly<Record<string, unknown>>;
  const got = answer.json<Readonly<Record<string, unknown>>>();
  const question = asked.instances ?? asked.inputs;
  const wanted = valuesIn(question).map((value) => Math.fround(Math.fround(value) / 2 + 2));
  // an infinity of a number that is too large for FP32 is a token that JSON.parse does not have
  if (wanted.some((value) => !Number.isFinite(value))) return undefined;
  report.compared += 1;
  const values = valuesIn(got.predictions ?? got.outputs).map(Math.fround);
  return JSON.stringify(values) === JSON.stringify(wanted) ? undefined : `expected ${JSON.stringify(wanted)}`;
}

function valuesIn(question: unknown): readonly number[] {
  if (typeof question === "number") return [question];
  if (Array.isArray(question)) return question.flatMap(valuesIn);
  return valuesIn((question as Readonly<Record<string, unknown>>).x);
}

async function stormRest(total: number): Promise<Report> {
  const { gateway } = rows as RowGateway;
  const agent = keptConnections(CLIENTS);
  const report = await storm(total, async (serial, into) => {
    const shot = mutatedRows(chance(SEED + serial));
    const { path, headers, body } = shot;
    const answer = await ask({ port: gateway.port, agent, method: "POST", path, headers, body });
    count(into, answer.status);
    return fault(shot, answer, into);
  });
  agent.destroy();
  return report;
}

test(`${COUNT} mutated requests over REST get a right 200 or a clear 4xx`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  rows = await rowGateway(MODELS);
  const { statuses, faults, compared } = await stormRest(COUNT);
  expect(faults.slice(0, 5), JSON.stringify({ statuses, compared })).toEqual([]);
  // both sides of the line are really tried
  expect(statuses[200]).toBeGreaterThan(COUNT / 10);
  expect(statuses[400]).toBeGreaterThan(COUNT / 4);
  expect(compared).toBeGreaterThan(COUNT / 20);
  const after = await rows.gateway.metrics();
  expect([after.sum("sluice_in_flight_bytes"), after.sum("sluice_in_flight_requests")]).toEqual([0, 0]);
});

test("the judge reports answers that are wrong by one bit, and a server that fails", async () => {
  rows = await rowGateway(MODELS);
  rows.fake.put("half", "3", {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
    service: async ({ inputs, model }) => {
      const [first] = floatsIn(inputs[0]);
      if (first === 2.5) throw new TypeError("undefined is not a function");
      const outputs = [
        floats("y", inputs[0]?.shape ?? [], ...floatsIn(inputs[0]).map((value) => value / 2 + 2.000001)),
      ];
      return { kind: "whole", model: { name: model.name, version: "3" }, outputs, parameters: new Map() };
    },
  });
  const { faults } = await stormRest(300);
  expect(faults.filter((one) => one.includes("expected ["))).not.toHaveLength(0);
  expect(faults.filter((one) => one.includes("status 500"))).not.toHaveLength(0);
});

const example = exampleWith(
  new Map([["x", { bytes_list: undefined, float_list: { value: [1] }, int64_list: undefined }]]),
);

function goodMessage(dice: Chance): readonly [string, Uint8Array] {
  const name = dice.pick(["half", "half", "tensorflow", "nope"]);
  const model = { name, signature: dice.pick(["", "", "serving_default", "s"]) };
  const service = "/tensorflow.serving.PredictionService";
  const inputs = [floats("x", [2], dice.next(), dice.below(9))];
  const task = (method: string) => ({ model: { ...model, signature: method }, method: `tensorflow/serving/${method}` });
  const predict = (): readonly [string, Uint8Array] => [
    `${service}/Predict`,
    runNow(encodeRequest({ model, inputs, outputs: [] }, { form: dice.pick(["typed", "content"]) })),
  ];
  return dice.pick<() => readonly [string, Uint8Array]>([
    predict,
    predict,
    predict,
    () => [`${service}/Classify`, encodeExamplesRequest({ model, examples: [example] })],
    () => [`${service}/Regress`, encodeExamplesRequest({ model, examples: [example, example] })],
    () => [`${service}/MultiInference`, encodeMultiRequest([task("classify"), task("regress")], [example])],
    () => [`${service}/GetModelMetadata`, encodeMetadataRequest(model)],
    () => ["/tensorflow.serving.ModelService/GetModelStatus", encodeStatusRequest(model)],
  ])();
}

/** OK, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, UNIMPLEMENTED. */
const CODES: ReadonlySet<number> = new Set([0, 3, 5, 8, 9, 12]);

test(`${GRPC_COUNT} mutated messages over gRPC get an answer or a clear status`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  rows = await rowGateway(MODELS);
  const caller = grpcCaller(rows.gateway.grpcPort);
  const report = await storm(GRPC_COUNT, async (serial, into) => {
    const dice = chance(SEED + serial);
    const [method, message] = goodMessage(dice);
    const story: string[] = [method];
    const bytes = dice.below(4) === 0 ? Buffer.from(message) : damage(Buffer.from(message), dice, story);
    const answer = await caller.ask({ method, messages: [bytes] });
    count(into, answer.code);
    const text = `${answer.code} ${answer.details} to ${story.join(", ")} ${bytes.toString("hex")}`;
    if (!CODES.has(answer.code)) return text;
    if (answer.code !== 0) return answer.trailers["sluice-error-origin"] === "client" ? undefined : text;
    if (method.endsWith("/Predict")) runNow(decodeResponse(answer.messages[0] as Buffer, { maxTensors: 100 }));
    return undefined;
  });
  caller.close();
  expect(report.faults.slice(0, 5), JSON.stringify(report.statuses)).toEqual([]);
  expect(report.statuses[0]).toBeGreaterThan(GRPC_COUNT / 10);
  expect(report.statuses[3]).toBeGreaterThan(GRPC_COUNT / 10);
});

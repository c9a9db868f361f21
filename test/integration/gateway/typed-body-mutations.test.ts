// Bodies that TorchServe's and SageMaker's clients send, mutated by seed: each is answered, or refused as the caller's own mistake.

import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeNpy } from "../../../wire/npy.ts";
import type { TestGateway } from "../../support/gateway.ts";
import { type Chance, chance, startDemo } from "../../support/gateway-demo.ts";
import { type Answer, ask, keptConnections } from "../../support/http-client.ts";

/** More for a soak: SLUICE_TEST_MUTATIONS=100000. */
const COUNT = Number(process.env.SLUICE_TEST_MUTATIONS ?? 3_000);
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20_260_901);
const CLIENTS = 16;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startDemo();
});

afterAll(() => gateway.close());

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly story: string;
}

const IRIS = [5.1, 3.5, 1.4, 0.2];
const ROW = Array.from({ length: 16 }, (_, i) => i);

const part = (name: string, text: string) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\nContent-Type: application/json\r\n\r\n${text}\r\n`;

/** Bodies that are right, each with its model. */
const GOOD: readonly { readonly model: string; readonly type: string; readonly body: Buffer }[] = [
  ["iris", "application/json", JSON.stringify({ instances: [IRIS, IRIS] })],
  ["iris", "application/json", JSON.stringify([IRIS, IRIS])],
  ["iris", "application/json", JSON.stringify({ measurements: [IRIS] })],
  ["iris", "text/csv", `${IRIS.join()}\r\n"${IRIS.join('","')}"\n`],
  [
    "iris",
    "application/jsonlines",
    `${JSON.stringify({ measurements: IRIS })}\n${JSON.stringify({ measurements: IRIS })}\n`,
  ],
  ["iris", "application/x-www-form-urlencoded", `measurements=${encodeURIComponent(JSON.stringify([IRIS]))}`],
  ["add_sub", "application/json", JSON.stringify({ instances: [{ INPUT0: ROW, INPUT1: ROW }] })],
  [
    "add_sub",
    "multipart/form-data; boundary=b",
    `${part("INPUT0", JSON.stringify([ROW]))}${part("INPUT1", JSON.stringify([ROW]))}--b--`,
  ],
  [
    "add_sub",
    "application/json",
    JSON.stringify({
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, shape: [1, 16], datatype: "INT32", data: ROW })),
    }),
  ],
  ["language", "text/plain", "the cat sat on the mat"],
  ["language", "application/json", JSON.stringify({ instances: ["le chat", { b64: "ZGVyIEh1bmQ=" }] })],
].map(([model = "", type = "", body = ""]) => ({ model, type, body: Buffer.from(body) }));

const NPY = {
  model: "iris",
  type: "application/x-npy",
  body: Buffer.concat(
    encodeNpy({ datatype: "FP32", shape: [1, 4], data: Buffer.from(Float32Array.from(IRIS).buffer) }),
  ),
};

const TYPES = [
  "application/json",
  "text/csv",
  "application/x-npy",
  "application/jsonlines",
  "image/png",
  "",
  "multipart/form-data",
  "a/b; boundary=",
];
const ACCEPTS = [
  "application/json",
  "text/csv",
  "*/*",
  "application/jsonlines",
  "x",
  "application/x-npy, application/json",
];

function shotOf(dice: Chance, changes: number): Shot {
  const { model, type, body: good } = dice.pick([...GOOD, NPY]);
  const endpoint = model.replace("_", "-");
  const path = dice.pick([
    `/predictions/${model}`,
    `/predictions/${model}/1`,
    `/invocations?model_name=${model}`,
    `/models/${model}/invoke`,
    `/endpoints/${endpoint}/invocations`,
    `/endpoints/${endpoint}/invocations-response-stream`,
  ]);
  const story = [`${model} ${type} ${path}`];
  const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
  let body = Buffer.from(good);
  let target = path;
  for (let i = 0; i < changes; i++) {
    const how = dice.below(8);
    story.push(String(how));
    if (how === 0) headers["content-type"] = dice.pick(TYPES);
    else if (how === 1) headers.accept = dice.pick(ACCEPTS);
    else if (how === 2) headers["x-amzn-sagemaker-target-variant"] = dice.pick(["1", "9", "stable", "", "AllTraffic"]);
    else if (how === 3) headers.ts_request_sequence_id = dice.pick(["a", "", "7"]);
    else if (how === 4) target = path.replace(model, dice.pick(["nope", "%00", "..", "a%2fb", model]));
    else body = damaged(body, dice);
  }
  return { method: "POST", path: target, headers, body, story: story.join(" ") };
}

function damaged(body: Buffer<ArrayBuffer>, dice: Chance): Buffer<ArrayBuffer> {
  const at = dice.below(body.byteLength + 1);
  const how = dice.below(6);
  if (how === 0) return body.subarray(0, at);
  if (how === 1) return Buffer.concat([body.subarray(0, at), body.subarray(Math.max(0, at - dice.below(30)))]);
  if (how === 2) return Buffer.concat([body.subarray(0, at), body.subarray(at + dice.below(30))]);
  if (how === 3) return Buffer.from(Array.from({ length: dice.below(300) }, () => dice.below(256)));
  if (how === 4)
    return Buffer.concat([
      body.subarray(0, at),
      Buffer.from(dice.pick(["[", "{", '"', "NaN", "-", "1e999", "null", ",", "\n", "\u0000"])),
      body.subarray(at),
    ]);
  const copy = Buffer.from(body);
  for (let i = 0; i <= dice.below(4) && copy.byteLength > 0; i++) copy[dice.below(copy.byteLength)] = dice.below(256);
  return copy;
}

/** What is wrong with an answer; undefined for a 200 or a refusal in the front's own shape. */
function faultOf({ path }: Shot, { status, headers, body }: Answer): string | undefined {
  if (status === 200) return undefined;
  if (status < 400 || status >= 500) return `status ${status}: ${body}`;
  if (headers["sluice-error-origin"] !== "client") return `origin ${headers["sluice-error-origin"]}: ${body}`;
  const told = JSON.parse(`${body}`) as { readonly code?: number; readonly __type?: string; readonly Message?: string };
  if (path.startsWith("/endpoints")) {
    return told.__type === headers["x-amzn-errortype"] && told.Message !== undefined ? undefined : `not AWS's: ${body}`;
  }
  return told.code === status ? undefined : `not TorchServe's: ${body}`;
}

async function storm(port: number, changes: (dice: Chance) => number, judge = faultOf) {
  const agent = keptConnections(CLIENTS);
  const statuses: Record<number, number> = {};
  const faults: string[] = [];
  let next = 0;
  const client = async () => {
    while (next < COUNT) {
      const seed = SEED + next++;
      const dice = chance(seed);
      const shot = shotOf(dice, changes(dice));
      try {
        const answer = await ask({ port, agent, ...shot });
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        const fault = judge(shot, answer);
        if (fault !== undefined) faults.push(`seed ${seed} (${shot.story}): ${fault}`);
      } catch (error) {
        faults.push(`seed ${seed} (${shot.story}): no answer: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return { statuses, faults };
}

test(`${COUNT} mutated bodies are answered or refused as the caller's mistake`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  const { statuses, faults } = await storm(gateway.port, (dice) => dice.pick([1, 1, 1, 2, 3]));
  expect(faults.slice(0, 10), JSON.stringify(statuses)).toEqual([]);
  // both sides of the line are really tried
  expect(statuses[200]).toBeGreaterThan(COUNT / 10);
  expect(statuses[400]).toBeGreaterThan(COUNT / 4);
  const { metrics } = gateway;
  const after = await metrics();
  for (const code of ["internal", "bad-backend", "unavailable"]) {
    expect([code, after.sum("sluice_requests_total", { code })]).toEqual([code, 0]);
  }
  expect([after.sum("sluice_in_flight_bytes"), after.sum("sluice_in_flight_requests")]).toEqual([0, 0]);
});

test("every body that is not mutated is answered", { timeout: 60_000 + COUNT * 10 }, async () => {
  const { statuses, faults } = await storm(
    gateway.port,
    () => 0,
    (_, { status, body }) => (status === 200 ? undefined : `${body}`),
  );
  expect([faults.slice(0, 5), Object.keys(statuses)]).toEqual([[], ["200"]]);
});

test("the judge reports a refusal in another front's shape, and one that is not the caller's", () => {
  const shot = shotOf(chance(1), 0);
  const answer = (status: number, origin: string, told: object): Answer =>
    ({
      status,
      headers: { "sluice-error-origin": origin },
      body: Buffer.from(JSON.stringify(told)),
    }) as unknown as Answer;
  const ours = { ...shot, path: "/predictions/m" };
  expect(faultOf(ours, answer(400, "client", { code: 400 }))).toBeUndefined();
  expect(faultOf(ours, answer(400, "client", { error: "x" }))).toMatch("not TorchServe's");
  expect(faultOf({ ...shot, path: "/endpoints/m/invocations" }, answer(400, "client", { code: 400 }))).toMatch("AWS");
  expect(faultOf(ours, answer(400, "backend", { code: 400 }))).toMatch("origin");
  expect(faultOf(ours, answer(500, "gateway", { code: 500 }))).toMatch("status 500");
});

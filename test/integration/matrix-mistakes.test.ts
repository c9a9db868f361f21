// What real servers answer with a 5xx, or make something else of in silence, is the client's mistake here, place by place.

import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Service } from "../../core/service.ts";
import type { Datatype } from "../../core/tensor.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { fakeBackend } from "../support/gateway-fake-backend.ts";
import { grpcCaller } from "../support/gateway-grpc.ts";
import { type GrpcSent, type HttpSent, MISTAKES, mistakesText } from "../support/matrix-mistakes.ts";
import { wholeReply } from "../support/scripted.ts";

const PAGE = new URL("../../docs/protocols.md", import.meta.url);
const [BEGIN, END] = ["<!-- mistakes: begin -->", "<!-- mistakes: end -->"];
const STATUS = { INVALID_ARGUMENT: 3, NOT_FOUND: 5, UNIMPLEMENTED: 12 };

const echo: Service = async ({ inputs }) => wholeReply("m", "1", { outputs: inputs });
const nan: Service = async ({ inputs }) => {
  const data = new Uint8Array(Float32Array.of(Number.NaN, 1).buffer);
  return wholeReply("nan", "1", { outputs: inputs.map((input) => ({ ...input, data })) });
};
const stream: Service = async (request, call) => {
  const whole = await echo(request, call);
  return whole.kind === "stream" ? whole : { kind: "stream", parts: partsOf([whole]) };
};

async function* partsOf<T>(parts: readonly T[]): AsyncGenerator<T> {
  yield* parts;
}

const MODELS: readonly (readonly [name: string, datatype: Datatype, service: Service])[] = [
  ["floats", "FP32", echo],
  ["ints", "INT32", echo],
  ["bytes", "INT8", echo],
  ["halves", "FP16", echo],
  ["nan", "FP32", nan],
  ["stream", "FP32", stream],
];

let gateway: TestGateway;
beforeAll(async () => {
  const fake = fakeBackend();
  for (const [name, datatype, service] of MODELS) {
    const specs = [{ name: "x", datatype, shape: [-1, 2] }];
    fake.put(name, "1", { service, inputs: specs, outputs: specs });
  }
  const models = MODELS.map(([name]) => `  ${name}: {backend: b${name === "nan" ? ", dialect: kserve-v1" : ""}}`);
  gateway = await startGateway({
    yaml: `backends: {b: {kind: fake}}\nmodels:\n${models.join("\n")}\n`,
    kinds: [fake.kind],
  });
});
afterAll(() => gateway?.close());

test.each(MISTAKES)("$server, $mistake: $there there, $here here", async ({ here, sent }) => {
  if (typeof here === "number") return expect(await overHttp(sent as HttpSent)).toBe(here);
  expect(await overGrpc(sent as GrpcSent)).toBe(STATUS[here]);
});

async function overHttp({ path, body, headers = {} }: HttpSent): Promise<number> {
  return (await gateway.ask({ method: "POST", path, body, headers })).status;
}

async function overGrpc({ method, message }: GrpcSent): Promise<number> {
  const caller = grpcCaller(gateway.grpcPort);
  const { code } = await caller.ask({ method, messages: [message] });
  caller.close();
  return code;
}

test("the same requests without their mistakes are answered", async () => {
  const json = { "content-type": "application/json" };
  const tensor = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  expect(await overHttp({ path: "/v2/models/floats/infer", body: tensor, headers: json })).toBe(200);
  for (const path of ["/v1/models/floats:predict", "/v1/models/bytes:predict", "/predictions/floats"]) {
    expect([path, await overHttp({ path, body: '{"instances":[[1,2]]}', headers: json })]).toEqual([path, 200]);
  }
});

test("docs/protocols.md lists each of these places", () => {
  const page = readFileSync(PAGE, "utf8");
  const [before, rest = ""] = page.split(BEGIN);
  const [committed, after = ""] = rest.split(END);
  const now = `\n\n${mistakesText()}\n\n`;
  if (process.env.SLUICE_MATRIX === "write") writeFileSync(PAGE, `${before}${BEGIN}${now}${END}${after}`);
  else expect(now, "npm run matrix writes it anew").toBe(committed);
});

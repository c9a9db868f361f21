// Every route of every front, asked with names, queries, headers and bodies that are almost right or not right at all: each
// asked by its row in the registry, so that a new one is tried by being listed.

import { gunzipSync, inflateSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Route } from "../../../core/protocol.ts";
import { protocols } from "../../../gateway/protocols/registry.ts";
import { runNow } from "../../../wire/sliced.ts";
import { encodeRequest } from "../../../wire/tfs-proto.ts";
import { predictionsRequest } from "../../../wire/torchserve-proto.ts";
import type { TestGateway } from "../../support/gateway.ts";
import { type Chance, chance, randomInputs, startDemo } from "../../support/gateway-demo.ts";
import { type GrpcCaller, grpcCaller, inferMessage } from "../../support/gateway-grpc.ts";
import { damage } from "../../support/gateway-row-mutations.ts";
import { type Answer, ask, keptConnections } from "../../support/http-client.ts";

/** More for a soak: SLUICE_TEST_MUTATIONS=100000. */
const COUNT = Number(process.env.SLUICE_TEST_MUTATIONS ?? 4_000);
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20_261_101);
const CLIENTS = 16;

let gateway: TestGateway;
let caller: GrpcCaller;

beforeAll(async () => {
  gateway = await startDemo();
  caller = grpcCaller(gateway.grpcPort);
});

afterAll(async () => {
  caller.close();
  await gateway.close();
});

interface Listed {
  readonly protocol: string;
  readonly route: Route;
}

const routesOf = (listener: "http" | "grpc"): readonly Listed[] =>
  protocols
    .filter((protocol) => protocol.listener === listener)
    .flatMap(({ name, routes }) => routes.map((route) => ({ protocol: name, route })));

const REST = routesOf("http");
// a watch has no end of its own
const GRPC = routesOf("grpc").filter(({ route }) => !route.path.endsWith("/Watch"));

const MODELS = ["iris", "iris", "add_sub", "add-sub", "language", "nope", "%00", "..", "a%2Fb", "%C3%A9", "%ff", ":"];
const OTHERS = ["1", "1", "9", "all", "-1", "stable", "x".repeat(300), "99999999999999999999", "%zz", "%00", "%22"];
const KEYS = ["limit", "next_page_token", "url", "model_name", "min_worker", "synchronous", "x"];
const VALUES = ["", "1", "0", "-1", "iris", "iris.mar", "../x", "%00", "true", "9e9", "a".repeat(2000)];
const IRIS = "[5.1,3.5,1.4,0.2]";
/** Bodies that some route or other takes. */
const BODIES = [
  "",
  "{}",
  `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":${IRIS}}]}`,
  `{"instances":[${IRIS}]}`,
  `{"signature_name":"serving_default","inputs":{"measurements":[${IRIS}]}}`,
  `{"signature_name":"serving_default","examples":[{"x":1.5,"y":["a"],"z":{"b64":"AA=="}}]}`,
  `{"measurements":[${IRIS}],"temperature":0.5,"parameters":{"a":1}}`,
  `{"text":["le chat"],"id":"7"}`,
  `{"model_name":"iris","url":"iris"}`,
  `{"ready":true}`,
  `{"parameters":{"config":"{}","file:1/model.onnx":"AA=="}}`,
  `{"log_verbose_level":1,"log_info":false,"trace_level":["TIMESTAMPS"],"trace_rate":"1"}`,
  `{"key":"/x","offset":0,"byte_size":16,"raw_handle":{"b64":"AA=="}}`,
  `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"instances":[${IRIS}]}}`,
  `${IRIS.slice(1, -1)}\n`,
  "le chat",
].map((text) => Buffer.from(text));
const TYPES = ["application/json", "application/json", "text/csv", "application/octet-stream", "x", "text/plain"];
const HEADERS: readonly (readonly [string, string])[] = [
  ["inference-header-content-length", "7"],
  ["inference-header-content-length", "-1"],
  ["accept", "text/csv"],
  ["accept", "image/png"],
  ["accept-encoding", "gzip;q=x, deflate"],
  ["content-encoding", "gzip"],
  ["ce-specversion", "1.0"],
  ["ce-id", "1"],
  ["x-amzn-sagemaker-target-variant", "9"],
  ["x-amzn-sagemaker-target-model", "iris.tar.gz"],
  ["x-amzn-sagemaker-session-id", "NEW_SESSION"],
  ["ts_request_sequence_id", ""],
  ["x-request-timeout-ms", "soon"],
  ["traceparent", "00-x"],
];

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function shotAt({ method, path: pattern }: Route, dice: Chance): Shot {
  const path = pattern
    .replace(/\/:(\w+)/g, (_, name: string) => `/${dice.pick(/model|endpoint/.test(name) ? MODELS : OTHERS)}`)
    .replace(/\*$/, () => dice.pick(OTHERS));
  const query = dice.below(3) > 0 ? "" : `?${dice.pick(KEYS)}=${dice.pick(VALUES)}&${dice.pick(KEYS)}`;
  const headers: Record<string, string> = dice.below(4) > 0 ? { "content-type": dice.pick(TYPES) } : {};
  for (let i = dice.pick([0, 0, 1, 2]); i > 0; i -= 1) {
    const [name, value] = dice.pick(HEADERS);
    headers[name] = value;
  }
  const good = method === "GET" ? Buffer.alloc(0) : dice.pick(BODIES);
  const body = dice.below(3) > 0 ? good : damage(good, dice, []);
  return { method, path: `${path}${query}`, headers, body: method === "GET" ? good : body };
}

/** What is wrong with an answer; undefined for a success or a refusal in the front's own shape. */
function faultOf(protocol: string, { status, headers, body }: Pick<Answer, "status" | "headers" | "body">) {
  if (status >= 200 && status < 400) return undefined;
  if (status >= 500) return `status ${status}: ${body}`;
  if (headers["sluice-error-origin"] !== "client") return `origin ${headers["sluice-error-origin"]}: ${body}`;
  const told = JSON.parse(`${plainOf(headers, body)}`) as Readonly<Record<string, unknown>>;
  const isShaped =
    protocol === "sagemaker"
      ? told.__type === headers["x-amzn-errortype"] && typeof told.Message === "string"
      : protocol === "torchserve" || protocol === "sagemaker-container"
        ? told.code === status && typeof told.type === "string" && typeof told.message === "string"
        : typeof told.error === "string" && told.error !== "";
  return isShaped ? undefined : `not in the shape of ${protocol}: ${status} ${body}`;
}

/** Errors of long names are long enough to be compressed. */
function plainOf(headers: Answer["headers"], body: Buffer): Buffer {
  const coding = headers["content-encoding"];
  if (coding === undefined) return body;
  return coding === "gzip" ? gunzipSync(body) : inflateSync(body);
}

async function storm(
  count: number,
  shoot: (dice: Chance, counts: Record<number, number>) => Promise<string | undefined>,
) {
  const counts: Record<number, number> = {};
  const faults: string[] = [];
  let next = 0;
  const client = async () => {
    while (next < count) {
      const seed = SEED + next++;
      const fault = await shoot(chance(seed), counts).catch((error: unknown) => `no answer: ${error}`);
      if (fault !== undefined) faults.push(`seed ${seed}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { counts, faults };
}

async function expectUnharmed(): Promise<void> {
  const after = await gateway.metrics();
  for (const code of ["internal", "bad-backend", "unavailable", "overloaded"]) {
    expect([code, after.sum("sluice_requests_total", { code })]).toEqual([code, 0]);
  }
  expect([after.sum("sluice_in_flight_bytes"), after.sum("sluice_in_flight_requests")]).toEqual([0, 0]);
  const { body } = await gateway.ask({ method: "GET", path: "/v2/models" });
  expect(body.toString()).not.toContain('"ready":false');
}

test(`${COUNT} requests to the routes over REST are answered, or refused as the caller's own mistake`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  const agent = keptConnections(CLIENTS);
  const { counts, faults } = await storm(COUNT, async (dice, into) => {
    const { protocol, route } = dice.pick(REST);
    const shot = shotAt(route, dice);
    const told = `${shot.method} ${shot.path} ${JSON.stringify(shot.headers)} ${shot.body.toString("latin1").slice(0, 120)}`;
    try {
      const answer = await ask({ port: gateway.port, agent, ...shot });
      into[answer.status] = (into[answer.status] ?? 0) + 1;
      const fault = faultOf(protocol, answer);
      return fault === undefined ? undefined : `${fault} to ${told}`;
    } catch (error) {
      return `${error} to ${told}`;
    }
  });
  agent.destroy();
  expect(faults.slice(0, 10), JSON.stringify(counts)).toEqual([]);
  // both sides of the line are really tried
  expect(counts[200]).toBeGreaterThan(COUNT / 20);
  expect(counts[400]).toBeGreaterThan(COUNT / 10);
  expect(counts[404]).toBeGreaterThan(COUNT / 10);
  await expectUnharmed();
});

/** INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION and UNIMPLEMENTED. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 12]);

function messageFor(dice: Chance): Buffer {
  const name = dice.pick(["iris", "nope", "", "add_sub"]);
  const inputs = randomInputs("iris", dice, { rows: 1, finite: true });
  const named = Buffer.from([0x0a, name.length, ...Buffer.from(name)]);
  return Buffer.from(
    dice.pick<() => Uint8Array>([
      () => new Uint8Array(0),
      () => named,
      () => Buffer.concat([Buffer.from([0x0a, named.length]), named]),
      () => Buffer.concat([named, Buffer.from([0x12, 1, 0x31])]),
      () => inferMessage({ model: name, inputs }),
      () => runNow(encodeRequest({ model: { name, signature: "" }, inputs, outputs: [] }, { form: "typed" })),
      () =>
        predictionsRequest.encode({
          model: name,
          version: "",
          input: new Map([["data", Buffer.from(`[${IRIS}]`)]]),
          sequenceId: undefined,
        }),
    ])(),
  );
}

const GRPC_COUNT = COUNT / 4;
test(`${GRPC_COUNT} messages to the methods over gRPC are answered, or refused as the caller's own mistake`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  const { counts, faults } = await storm(GRPC_COUNT, async (dice, into) => {
    const { route } = dice.pick(GRPC);
    const good = messageFor(dice);
    const message = dice.below(2) === 0 ? good : damage(good, dice, []);
    const answer = await caller.ask({ method: route.path, messages: [message] });
    into[answer.code] = (into[answer.code] ?? 0) + 1;
    if (answer.code === 0 || (REFUSALS.has(answer.code) && answer.details !== "")) return undefined;
    return `status ${answer.code} ${answer.details} to ${route.path} ${message.toString("hex").slice(0, 200)}`;
  });
  expect(faults.slice(0, 10), JSON.stringify(counts)).toEqual([]);
  expect(counts[0]).toBeGreaterThan(GRPC_COUNT / 20);
  expect(counts[3]).toBeGreaterThan(GRPC_COUNT / 20);
  await expectUnharmed();
});

test("the judge reports a refusal in another front's shape, one that is not the caller's, and a 5xx", () => {
  const answer = (status: number, origin: string, told: object) => ({
    status,
    headers: { "sluice-error-origin": origin },
    body: Buffer.from(JSON.stringify(told)),
  });
  const ours = { code: 400, type: "BadRequestException", message: "x" };
  expect(faultOf("torchserve", answer(400, "client", ours))).toBeUndefined();
  expect(faultOf("torchserve", answer(400, "client", { error: "x" }))).toMatch("not in the shape of torchserve");
  expect(faultOf("oip-rest", answer(400, "client", ours))).toMatch("not in the shape of oip-rest");
  expect(faultOf("oip-rest", answer(400, "backend", { error: "x" }))).toMatch("origin backend");
  expect(faultOf("oip-rest", answer(503, "client", { error: "x" }))).toMatch("status 503");
});

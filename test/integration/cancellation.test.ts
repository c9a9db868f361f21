// A client that leaves while nobody else waits ends the call to the server, from each front to each kind of backend, over real
// sockets. The servers replay what was recorded from real ones, hang at an inference, and say whether its caller has gone.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { deafKind } from "../support/deaf-backend.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";
import { LEAVERS, type Leave, type Row } from "../support/leaving.ts";
import { type AskedHttp, startRecorded } from "../support/recorded.ts";
import { type AskedGrpc, startRecordedGrpc } from "../support/recorded-grpc.ts";

/** How soon the server must hear of it. */
const WITHIN_MS = 100;
/** A busy machine may be late once, a gateway that does not pass it on is late each time. */
const TRIES = 3;

/** The inputs of the recorded model. */
const INPUTS: readonly Row[] = ["INPUT0", "INPUT1"].map((name) => {
  const values = Array.from({ length: 16 }, (_, i) => i);
  return { name, datatype: "INT32", shape: [1, 16], values, data: new Uint8Array(new Int32Array(values).buffer) };
});

interface Played {
  readonly backend: string;
  readonly yaml: string;
  /** The inferences that it was asked for, oldest first. */
  asked(): readonly { readonly cancelled: boolean }[];
  close(): Promise<void>;
}

const INFER = /\/infer$|:predict$|\/(ModelInfer|ModelStreamInfer|Predict)$/;

async function overHttp(kind: "triton" | "tf-serving", words: string): Promise<Played> {
  const isAsk = ({ path }: AskedHttp) => INFER.test(path);
  const server = await startRecorded(kind, {
    answer: (asked) => (isAsk(asked) ? (kind === "triton" ? "infer-binary" : "predict") : undefined),
    fault: (asked) => (isAsk(asked) ? { fault: "hang", after: "nothing" } : undefined),
  });
  return {
    backend: `${kind} over HTTP`,
    yaml: `{kind: ${kind}, ${words}, endpoints: ["127.0.0.1:${server.port}"], health: {every: 1h, timeout: 20s}}`,
    asked: () => server.asked.filter(isAsk),
    close: () => server.close(),
  };
}

async function overGrpc(kind: "triton" | "tf-serving"): Promise<Played> {
  const isAsk = ({ path }: AskedGrpc) => INFER.test(path);
  const server = await startRecordedGrpc(kind, { fault: (asked) => (isAsk(asked) ? { fault: "hang" } : undefined) });
  return {
    backend: `${kind} over gRPC`,
    yaml: `{kind: ${kind}, protocol: grpc, endpoints: ["127.0.0.1:${server.port}"], health: {every: 1h, timeout: 20s}}`,
    asked: () => server.asked.filter(isAsk),
    close: () => server.close(),
  };
}

let servers: readonly Played[];
let gateway: TestGateway;

/** A model for each server and dialect: `m0`, and `m0_kserve-v1` on the paths that protocols share. */
beforeAll(async () => {
  servers = [
    await overHttp("triton", "protocol: http"),
    await overGrpc("triton"),
    await overHttp("tf-serving", "protocol: rest"),
    await overGrpc("tf-serving"),
  ];
  const backends = servers.map(({ yaml }, i) => `  b${i}: ${yaml}`).join("\n");
  const models = servers.flatMap((_, i) =>
    ["", "kserve-v1", "tf-serving"].map((dialect) => {
      const word = dialect === "" ? "" : `, dialect: ${dialect}`;
      return `  ${modelOf(i, dialect)}: {backend: b${i}, model: add_sub${word}}`;
    }),
  );
  const joined = "  joined: {backend: b2, model: add_sub, batch: {inFlight: 1}}";
  gateway = await startGateway({
    yaml: `timeout: 60s\nbackends:\n${backends}\nmodels:\n${models.join("\n")}\n${joined}\n`,
    kinds: backendKinds,
  });
  const isReady = async (i: number) => (await gateway.ask({ path: `/v2/models/${modelOf(i)}/ready` })).status === 200;
  for (const i of servers.keys()) await until(() => isReady(i), 20_000);
}, 60_000);

afterAll(async () => {
  await gateway?.close();
  for (const server of servers ?? []) await server.close();
}, 60_000);

const modelOf = (server: number, dialect = "") => `m${server}${dialect === "" ? "" : `_${dialect}`}`;

describe.each([0, 1, 2, 3])("a client that leaves while server %i works", (i) => {
  test.each(LEAVERS)("is heard of there within 100 ms: $front", async ({ ask, dialect }) => {
    const server = servers[i]!;
    const ports = { http: gateway.port, grpc: gateway.grpcPort };
    const least = await heardAfterMs(server, () => ask(ports, modelOf(i, dialect), INPUTS));
    expect(least, server.backend).toBeLessThan(WITHIN_MS);
    await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 0);
  });
});

/** How long after its client has left a server hears of it, the least of some tries; it throws when it never does. */
async function heardAfterMs(server: Played, ask: () => Leave, tries = TRIES): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < tries && least > WITHIN_MS; n += 1) {
    const before = server.asked().length;
    const leave = ask();
    await until(() => server.asked().length > before);
    const asked = server.asked().at(-1)!;
    expect(asked.cancelled).toBe(false);
    const left = performance.now();
    leave();
    await until(() => asked.cancelled, 3_000);
    least = Math.min(least, performance.now() - left);
  }
  return least;
}

test("the check sees a gateway whose calls do not end with their clients", async () => {
  const server = await overHttp("triton", "protocol: http");
  const deaf = await startGateway({
    yaml: `timeout: 60s\nbackends:\n  b: ${server.yaml}\nmodels:\n  m: {backend: b, model: add_sub}\n`,
    kinds: backendKinds.map(deafKind),
  });
  try {
    await until(async () => (await deaf.ask({ path: "/v2/models/m/ready" })).status === 200, 20_000);
    const ask = () => LEAVERS[0]!.ask({ http: deaf.port, grpc: deaf.grpcPort }, "m", INPUTS);
    await expect(heardAfterMs(server, ask, 1)).rejects.toThrow("never came true: () => asked.cancelled");
  } finally {
    await server.close();
    await deaf.close();
  }
}, 60_000);

test("a call that several wait for goes on until the last of them has left", async () => {
  const server = servers[2]!;
  const ports = { http: gateway.port, grpc: gateway.grpcPort };
  const [rest, grpc] = [LEAVERS[0]!, LEAVERS[1]!];
  const first = server.asked().length;
  const leaveFirst = rest.ask(ports, "joined", INPUTS);
  await until(() => server.asked().length === first + 1);
  // the server has as much as it may: these two wait, and go together once it has not
  const leaves = [rest.ask(ports, "joined", INPUTS), grpc.ask(ports, "joined", INPUTS)];
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 3);
  await gateway.metrics();
  leaveFirst();
  await until(() => server.asked().length === first + 2);
  const asked = server.asked().at(-1)!;
  leaves[0]!();
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 1);
  expect(asked.cancelled).toBe(false);
  leaves[1]!();
  await until(() => asked.cancelled);
  expect(server.asked()).toHaveLength(first + 2);
});

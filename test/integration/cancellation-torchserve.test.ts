// TorchServe finishes a job whose client has left: the caller is freed, the call keeps its place until the answer comes, and its
// time is counted as wasted.

import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { DIGITS_SIGNATURE } from "../contract/external-row.ts";
import { startGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";
import { LEAVERS, type Row } from "../support/leaving.ts";
import { type AskedHttp, startRecorded } from "../support/recorded.ts";

const PIXELS = Array<number>(64).fill(0);
const IMAGE: Row = { name: "image", datatype: "FP32", shape: [1, 1, 8, 8], values: PIXELS, data: new Uint8Array(256) };

test("a client that leaves is freed at once, and its place only when the server has answered", async () => {
  const isAsk = ({ method, path }: AskedHttp) => method === "POST" && path.startsWith("/predictions/");
  const server = await startRecorded("torchserve", {
    answer: (asked) => (isAsk(asked) ? "infer" : undefined),
    fault: (asked) => (isAsk(asked) ? { fault: "delay", ms: 500 } : undefined),
  });
  const management = await startRecorded("torchserve", { port: "management" });
  const models = JSON.stringify({ digits: { signature: DIGITS_SIGNATURE } });
  const gateway = await startGateway({
    yaml: [
      `backends: {torch: {kind: torchserve, endpoints: ["127.0.0.1:${server.port}"], management: ${management.port}, health: {every: 1s, timeout: 20s}, models: ${models}}}`,
      "models: {digits: {backend: torch}}",
    ].join("\n"),
    kinds: backendKinds,
  });
  const count = async (name: string) => (await gateway.metrics()).sum(name);
  await until(async () => (await gateway.ask({ path: "/v2/models/digits/ready" })).status === 200, 20_000);
  const leave = LEAVERS[0]!.ask({ http: gateway.port, grpc: gateway.grpcPort }, "digits", [IMAGE]);
  await until(() => server.asked.some(isAsk));
  leave();
  await until(async () => (await count("sluice_in_flight_requests")) === 0);
  expect(await count("sluice_wasted_run_seconds_total")).toBe(0);
  await until(async () => (await count("sluice_wasted_run_seconds_total")) > 0);
  expect(server.asked.find(isAsk)?.cancelled).toBe(false);
  await gateway.close();
  await Promise.all([server.close(), management.close()]);
}, 30_000);

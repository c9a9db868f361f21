// A gateway whose process holds more memory than it may: new requests are refused with the reason, all else is answered.

import { expect, test } from "vitest";
import { oip } from "../../../backends/oip.ts";
import { line, startChaosServer } from "../../support/chaos-http.ts";
import { startGateway } from "../../support/gateway.ts";
import { grpcCaller, inferMessage } from "../../support/gateway-grpc.ts";
import { plain } from "../../support/gateway-oip.ts";
import { until } from "../../support/http-client.ts";

test("memory above its limit refuses what comes beside another request, over REST and gRPC, and nothing that has no body", async () => {
  const server = await startChaosServer();
  const gateway = await startGateway({
    // any process holds more
    yaml: `limits: {memory: 1MiB}
backends: {b: {kind: oip, dialect: plain, endpoints: ["127.0.0.1:${server.port}"]}}
models: {line: {backend: b}}`,
    kinds: [oip],
  });
  const body = JSON.stringify({ inputs: [{ name: "x", datatype: "INT32", shape: [1], data: [4] }] });
  const infer = () => gateway.ask({ path: "/v2/models/line/infer", body });
  await until(async () => (await gateway.ask({ path: "/v2/models/line/ready" })).status === 200);
  await until(async () => (await gateway.metrics()).sum("sluice_process_overloaded", { of: "memory" }) === 1);
  const held: (() => void)[] = [];
  server.spoil((ask) => void held.push(ask.right));
  const first = infer();
  await until(() => held.length === 1);
  const second = await infer();
  expect([second.status, second.headers["retry-after"], second.headers["sluice-error-origin"]]).toEqual([
    503,
    "1",
    "gateway",
  ]);
  expect(second.json().error).toMatch(/^the gateway's memory is at .*MiB, its limit is 1MiB \(limits\.memory\)$/);
  const caller = grpcCaller(gateway.grpcPort);
  const inputs = [plain("x", "INT32", [1], [4])];
  const third = await caller.ask({ method: "ModelInfer", messages: [inferMessage({ model: "line", inputs })] });
  expect([third.code, third.trailers["grpc-retry-pushback-ms"]]).toEqual([8, "1000"]);
  const paths = ["/v2/health/ready", "/v2/models/line", "/v2/models/line/ready"];
  for (const path of paths) expect((await gateway.ask({ path })).status).toBe(200);
  held[0]?.();
  expect((await first).json<{ outputs: { data: number[] }[] }>().outputs[0]?.data).toEqual(line([4]));
  // alone, one goes through whatever the memory
  server.spoil(undefined);
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_bytes") === 0);
  expect((await infer()).status).toBe(200);
  expect((await gateway.metrics()).sum("sluice_process_shed_total", { of: "memory" })).toBe(2);
  expect(server.asks).toBe(2);
  caller.close();
  await gateway.close();
  await server.close();
});

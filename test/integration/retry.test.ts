// An endpoint that is killed under load while another one is up: no client sees it, because what it took is asked elsewhere.

import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway } from "../support/gateway.ts";
import { jsonBody, plain } from "../support/gateway-oip.ts";
import { until } from "../support/http-client.ts";
import { type AskedHttp, startRecorded } from "../support/recorded.ts";

const ROW = Array.from({ length: 16 }, (_, i) => i);
const BODY = jsonBody(["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [1, 16], ROW)));
const REQUESTS = 600;
const CLIENTS = 24;

/** The statuses of the requests under which the first of two endpoints was killed, by how often each came. */
async function killed(words: string) {
  const isAsk = ({ path }: AskedHttp) => path.endsWith("/infer");
  const answer = (asked: AskedHttp) => (isAsk(asked) ? "infer-binary" : undefined);
  // so long that some are always in flight
  const fault = (asked: AskedHttp) => (isAsk(asked) ? ({ fault: "delay", ms: 4 } as const) : undefined);
  const servers = [await startRecorded("triton", { answer, fault }), await startRecorded("triton", { answer, fault })];
  const addresses = servers.map(({ port }) => `"127.0.0.1:${port}"`).join(", ");
  const gateway = await startGateway({
    yaml: [
      "timeout: 30s",
      `backends: {gpu: {kind: triton, protocol: http, endpoints: [${addresses}], health: {every: 1h, timeout: 20s}${words}}}`,
      "models: {m: {backend: gpu, model: add_sub}}",
    ].join("\n"),
    kinds: backendKinds,
  });
  const infer = () => gateway.ask({ path: "/v2/models/m/infer", ...BODY });
  // both are known to have the model
  await until(async () => (await infer()).status === 200 && servers.every(({ asked }) => asked.some(isAsk)), 20_000);
  const statuses = new Map<number, number>();
  let sent = 0;
  const client = async () => {
    while (sent < REQUESTS) {
      sent += 1;
      if (sent === REQUESTS / 3) void servers[0]!.close();
      const { status } = await infer();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const { sum } = await gateway.metrics();
  const retries = sum("sluice_retries_total", { model: "m", code: "unavailable" });
  await gateway.close();
  await servers[1]!.close();
  return { statuses: Object.fromEntries(statuses), retries };
}

test("a killed endpoint costs no request where another one is up", async () => {
  const { statuses, retries } = await killed("");
  expect(statuses).toEqual({ 200: REQUESTS });
  expect(retries).toBeGreaterThan(0);
}, 60_000);

test("without retries it costs some: the load is one that would tell", async () => {
  const { statuses, retries } = await killed(", retry: false");
  expect(Object.keys(statuses)).toContain("503");
  expect(retries).toBe(0);
}, 60_000);

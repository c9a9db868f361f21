import { expect, test } from "vitest";
import { openMetrics } from "../../../gateway/metrics.ts";

async function linesOf(metrics: ReturnType<typeof openMetrics>, series: string): Promise<readonly string[]> {
  const { text } = await metrics.expose();
  return text.split("\n").filter((line) => line.startsWith(`${series}{`));
}

test("an endpoint's health is a gauge that goes with the endpoint", async () => {
  const metrics = openMetrics({ inFlightBytes: () => 0, inFlightRequests: () => 0 });
  const tell = (endpoint: string, state: "healthy" | "unhealthy" | "gone") =>
    metrics.count({ type: "endpoint-state", backend: "gpu", endpoint, state, reason: undefined });
  tell("gpu/a:1", "healthy");
  tell("gpu/b:1", "healthy");
  tell("gpu/b:1", "unhealthy");
  expect(await linesOf(metrics, "sluice_endpoint_healthy")).toEqual([
    'sluice_endpoint_healthy{backend="gpu",endpoint="gpu/a:1"} 1',
    'sluice_endpoint_healthy{backend="gpu",endpoint="gpu/b:1"} 0',
  ]);
  tell("gpu/b:1", "gone");
  expect(await linesOf(metrics, "sluice_endpoint_healthy")).toEqual([
    'sluice_endpoint_healthy{backend="gpu",endpoint="gpu/a:1"} 1',
  ]);
});

import { expect, test } from "vitest";
import { openMetrics } from "../../../gateway/metrics.ts";
import { IDLE } from "../../support/idle-gauges.ts";

async function linesOf(metrics: ReturnType<typeof openMetrics>, series: string): Promise<readonly string[]> {
  const { text } = await metrics.expose();
  return text.split("\n").filter((line) => line.startsWith(`${series}{`));
}

test("an endpoint's health is a gauge that goes with the endpoint", async () => {
  const metrics = openMetrics(IDLE);
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

test("a breaker is a gauge that goes with its endpoint, and its trips are counted by cause; so are ejections", async () => {
  const metrics = openMetrics(IDLE);
  const where = { backend: "gpu", endpoint: "gpu/a:1", model: undefined };
  for (const [state, cause] of [
    ["closed", undefined],
    ["open", "consecutive"],
    ["half-open", undefined],
    ["open", "probe"],
  ] as const) {
    metrics.count({ type: "breaker-state", ...where, state, cause });
  }
  metrics.count({ type: "breaker-state", ...where, model: "m", state: "half-open", cause: undefined });
  metrics.count({ type: "ejection-state", ...where, state: "ejected", cause: "time" });
  const labels = 'backend="gpu",endpoint="gpu/a:1"';
  expect(await linesOf(metrics, "sluice_breaker_open")).toEqual([
    `sluice_breaker_open{${labels},model=""} 1`,
    `sluice_breaker_open{${labels},model="m"} 0.5`,
  ]);
  expect(await linesOf(metrics, "sluice_breaker_trips_total")).toEqual([
    `sluice_breaker_trips_total{${labels},model="",cause="consecutive"} 1`,
    `sluice_breaker_trips_total{${labels},model="",cause="probe"} 1`,
  ]);
  expect(await linesOf(metrics, "sluice_endpoint_ejected")).toEqual([`sluice_endpoint_ejected{${labels},model=""} 1`]);
  expect(await linesOf(metrics, "sluice_ejections_total")).toEqual([
    `sluice_ejections_total{${labels},model="",cause="time"} 1`,
  ]);
  metrics.count({ type: "breaker-state", ...where, state: "gone", cause: undefined });
  metrics.count({ type: "ejection-state", ...where, state: "gone", cause: undefined });
  expect(await linesOf(metrics, "sluice_breaker_open")).toEqual([`sluice_breaker_open{${labels},model="m"} 0.5`]);
  expect(await linesOf(metrics, "sluice_endpoint_ejected")).toEqual([]);
});

// The gateway with a cache before models that answer with their input, in this process: what is measured is a hit.

import { loadConfig } from "../../config/load.ts";
import type { Service } from "../../core/service.ts";
import { tuneHeap } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { openLog } from "../../gateway/log.ts";
import { type Running, serve } from "../../gateway/main.ts";
import { fakeBackend } from "../../test/support/gateway-fake-backend.ts";
import { wholeReply } from "../../test/support/scripted.ts";
import { KEPT_MODEL, type KeptCounts, type KeptSetup, SLOW_MODEL, SLOW_MS } from "../kept.ts";
import { answer } from "../program.ts";

const held: { gateway?: Running } = {};
const calls = new Map<string, number>();

function echoing(model: string, delayMs: number): Service {
  return async ({ inputs }) => {
    calls.set(model, (calls.get(model) ?? 0) + 1);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return wholeReply(model, "1", { outputs: inputs });
  };
}

function configOf({ log }: KeptSetup) {
  const fake = fakeBackend("echo");
  const x = { name: "x", datatype: "FP32", shape: [-1, -1] } as const;
  fake.put(KEPT_MODEL, "1", { inputs: [x], outputs: [x], service: echoing(KEPT_MODEL, 0) });
  fake.put(SLOW_MODEL, "1", { inputs: [x], outputs: [x], service: echoing(SLOW_MODEL, SLOW_MS) });
  const words = { backend: "there", artifact: "bench", cache: { ttl: "1h" } };
  // JSON is YAML
  const text = JSON.stringify({
    listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" },
    log: { level: log },
    backends: { there: { kind: "echo" } },
    models: { [KEPT_MODEL]: words, [SLOW_MODEL]: words },
  });
  const loaded = loadConfig(
    { text, file: "bench.yaml", env: {} },
    { ...kinds, backends: [...kinds.backends, fake.kind] },
  );
  if (!loaded.ok) throw new Error(loaded.mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "));
  return loaded.config;
}

async function counts(model: string): Promise<KeptCounts> {
  const metrics = await fetch(`http://127.0.0.1:${held.gateway?.addresses.admin?.port}/metrics`);
  const series = /^sluice_cache_requests_total\{(.*)\} (\d+)$/gm;
  const states: Record<string, number> = {};
  for (const [, labels = "", count] of (await metrics.text()).matchAll(series)) {
    if (!labels.includes(`model="${model}"`)) continue;
    states[/state="(\w+)"/.exec(labels)?.[1] ?? ""] = Number(count);
  }
  return { calls: calls.get(model) ?? 0, states };
}

answer({
  async start(setup: KeptSetup) {
    tuneHeap();
    held.gateway = await serve({ config: configOf(setup), log: openLog({ level: setup.log, pretty: false }) });
    await held.gateway.settled();
  },
  port: () => held.gateway?.addresses.http?.port,
  counts,
  /** Seconds of CPU that this process has used. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  stop: () => held.gateway?.stop(),
});

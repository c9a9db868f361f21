// A whole gateway in this process, from a config's text, on ports of its own.

import { fileURLToPath } from "node:url";
import { loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import type { BackendKind } from "../../core/backend.ts";
import { type Running, serve } from "../../gateway/main.ts";
import type { LoadText } from "../../gateway/reload.ts";
import { policyKinds } from "../../policies/registry.ts";
import { type Answer, type Ask, ask } from "./http-client.ts";

export interface TestGateway {
  readonly running: Running;
  readonly port: number;
  readonly adminPort: number;
  readonly grpcPort: number;
  /** Asks at the port for clients. */
  ask(what: Omit<Ask, "port">): Promise<Answer>;
  /** Asks at the port for operators. */
  admin(path: string): Promise<Answer>;
  /** Every series of /metrics with its value now. */
  metrics(): Promise<Metrics>;
  close(): Promise<void>;
}

export interface Metrics {
  readonly text: string;
  /** The sum over the series of that name whose labels are among others these; 0 where there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

/** The repository's root: what relative paths in a test's config start from. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface GatewayOptions {
  /** The config without `listen`; `listen: ...` of its own stands in the place of free ports. */
  readonly yaml: string;
  readonly kinds: readonly BackendKind[];
  /** Where to listen for gRPC; a free port when absent. */
  readonly grpc?: string;
}

/** Starts it and waits until every model is ready or known not to be. */
export async function startGateway(options: GatewayOptions): Promise<TestGateway> {
  const text = options.yaml.startsWith("listen:")
    ? options.yaml
    : `listen: {http: "127.0.0.1:0", grpc: "${options.grpc ?? "127.0.0.1:0"}", admin: "127.0.0.1:0"}\n${options.yaml}`;
  const kinds = { backends: options.kinds, policies: policyKinds };
  const file = `${ROOT}test.yaml`;
  const loaded = loadConfig({ text, file, env: {} }, kinds);
  if (!loaded.ok) throw new Error(loaded.mistakes.map((mistake) => formatMistake(mistake, file)).join("\n"));
  const load: LoadText = (next, overrides) => loadConfig({ text: next, file, env: {}, overrides }, kinds);
  const running = await serve({ config: loaded.config, source: { text, load } });
  await running.settled();
  const port = running.addresses.http?.port ?? 0;
  const adminPort = running.addresses.admin?.port ?? 0;
  return {
    running,
    port,
    adminPort,
    grpcPort: running.addresses.grpc?.port ?? 0,
    ask: (what) => ask({ port, ...what }),
    admin: (path) => ask({ port: adminPort, path }),
    metrics: async () => readMetrics(`${(await ask({ port: adminPort, path: "/metrics" })).body}`),
    close: async () => void (await running.stop({ drainDelayMs: 0 })),
  };
}

/** Source: Prometheus text exposition format 0.0.4. */
export function readMetrics(text: string): Metrics {
  const series = text.split("\n").flatMap((line) => {
    const match = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (match === null) return [];
    const [, name = "", labels = "", value = ""] = match;
    const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/gi)].map(([, key, said]) => [key, said] as const);
    return [{ name, labels: new Map(pairs), value: Number(value) }];
  });
  return {
    text,
    sum: (name, labels = {}) =>
      series
        .filter((one) => one.name === name)
        .filter((one) => Object.entries(labels).every(([key, value]) => one.labels.get(key) === value))
        .reduce((sum, one) => sum + one.value, 0),
  };
}

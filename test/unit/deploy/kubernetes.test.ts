// The Kubernetes manifests agree with each other, with the image and with the gateway's own times.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { loadConfig } from "../../../config/load.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { ROOT } from "../../support/gateway.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // each kind has a form of its own
  readonly [word: string]: unknown;
}

const documents = parseAllDocuments(read("deploy/kubernetes/sluice.yaml"));
const manifests = documents.map((document) => document.toJS() as Manifest);
const only = (kind: string): Manifest => {
  const found = manifests.filter((one) => one.kind === kind);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`expected one ${kind}, got ${found.length}`);
  return found[0];
};

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Pod {
  readonly metadata: { readonly labels: object; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly terminationGracePeriodSeconds: number;
    readonly containers: readonly {
      readonly env: readonly { readonly name: string }[];
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
      readonly livenessProbe: Probe;
      readonly readinessProbe: Probe;
      readonly volumeMounts: readonly { readonly mountPath: string }[];
    }[];
  };
}

const { selector, template } = only("Deployment").spec as { readonly selector: object; readonly template: Pod };
const container = template.spec.containers[0]!;
const portOf = (name: string) => container.ports.find((port) => port.name === name)?.containerPort;

const text = (only("ConfigMap").data as Readonly<Record<string, string>>)["sluice.yaml"] ?? "";
const env = { SLUICE_ADMIN_TOKEN: "0123456789abcdef0123456789abcdef" };

function config() {
  const loaded = loadConfig({ text, file: "/etc/sluice/sluice.yaml", env }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.config;
}

test("are YAML without a mistake", () => {
  expect(documents.flatMap((document) => document.errors)).toEqual([]);
  expect(manifests.map(({ kind }) => kind)).toEqual(["ConfigMap", "Deployment", "Service", "PodDisruptionBudget"]);
});

describe("the config in them", () => {
  test("is right once its secret is there, and says which variable is missing before", () => {
    expect(config().models?.map(({ name }) => name)).toEqual(["iris", "digits"]);
    const without = loadConfig({ text, file: "sluice.yaml", env: {} }, kinds);
    expect(without.ok ? "" : without.mistakes[0]?.message).toContain("SLUICE_ADMIN_TOKEN");
    expect(container.env.map(({ name }) => name)).toEqual(["SLUICE_ADMIN_TOKEN"]);
  });

  test("listens on the container's ports", () => {
    const { http, grpc, admin } = config().listen;
    expect([http, grpc, admin].map((one) => one?.host)).toEqual(["0.0.0.0", "0.0.0.0", "0.0.0.0"]);
    expect([http, grpc, admin].map((one) => one?.port)).toEqual(["http", "grpc", "admin"].map(portOf));
  });

  test("is mounted where the image looks for it, beside the image's models", () => {
    const dockerfile = read("deploy/Dockerfile");
    expect(dockerfile).toContain("SLUICE_CONFIG=/etc/sluice/sluice.yaml");
    expect(dockerfile).toContain("COPY models /models");
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toContain("/etc/sluice");
    expect(text).toContain("repository: /models");
  });
});

test("a pod has longer to end than the gateway takes at most", () => {
  const { drainDelayMs = Number.NaN, drainLimitMs } = config();
  const abandonedRunMs = 10_000;
  expect(template.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(
    drainDelayMs + drainLimitMs + abandonedRunMs,
  );
});

test("the probes and Prometheus ask the admin listener for what it answers without a token", () => {
  expect(container.livenessProbe.httpGet).toEqual({ path: "/livez", port: "admin" });
  expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "admin" });
  const { annotations } = template.metadata;
  expect(annotations["prometheus.io/port"]).toBe(`${portOf("admin")}`);
  expect(annotations["prometheus.io/path"]).toBe("/metrics");
});

test("the service and the budget select the pods, and the service does not publish the admin listener", () => {
  const { labels } = template.metadata;
  const service = only("Service").spec as {
    readonly selector: object;
    readonly ports: readonly { readonly name: string }[];
  };
  expect(service.selector).toEqual(labels);
  expect(selector).toEqual({ matchLabels: labels });
  expect(only("PodDisruptionBudget").spec).toMatchObject({ selector: { matchLabels: labels } });
  expect(service.ports.map(({ name }) => name)).toEqual(["http", "grpc"]);
});

// The compose file and the Dockerfile are well formed, and what they name is there.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DCLinter } from "dclint";
import { validate } from "dockerfile-utils";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { kinds } from "../../gateway/kinds.ts";
import { ROOT, readBuildContext, readCompose, readDockerfile, readText } from "./files.ts";

const temporary = mkdtempSync(join(tmpdir(), "sluice-compose-"));
afterAll(() => rmSync(temporary, { recursive: true }));

/** What the linter says of a compose file: first the Compose Specification's schema, then its own rules. */
function lint(file: string): readonly string[] {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  // its types do not resolve here: they import without extensions
  const results = linter.lintFiles([file], false) as readonly {
    readonly messages: readonly { readonly rule: string }[];
  }[];
  return results.flatMap(({ messages }) => messages.map(({ rule }) => rule));
}

const { services } = readCompose();
const { gateway } = services;
const steps = readDockerfile();
const stepsOf = (keyword: string) => steps.filter((step) => step.stage === 1 && step.keyword === keyword);
const healthCheck = JSON.parse(stepsOf("HEALTHCHECK")[0]!.text.replace(/^CMD /, "")) as readonly string[];

const CONFIGS = ["sluice.yaml", "compose.yaml"];

function containerConfig(name: string): Config {
  const file = join(ROOT, "deploy", name);
  const loaded = loadConfig({ text: readFileSync(file, "utf8"), file, env: {} }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.config;
}

describe("docker-compose.yml", () => {
  test("is valid by the Compose Specification", () => {
    expect(lint(join(ROOT, "docker-compose.yml"))).toEqual([]);
  });

  test.each([
    ["a word that the specification does not have", "ports:", "portz:", "invalid-schema"],
    ["an unquoted expression that YAML takes for a map", /- "(fetch.*)"/, "- $1", "invalid-schema"],
    ["a broken line", "services:", "services: [", "invalid-yaml"],
    ["a port that is open to every interface", "127.0.0.1:8000:8000", "8000:8000", "no-unbound-port-interfaces"],
  ])("would be refused with %s", (_, from, to, rule) => {
    const text = readText("docker-compose.yml");
    const broken = text.replace(from, to);
    expect(broken).not.toBe(text);
    const file = join(temporary, "docker-compose.yml");
    writeFileSync(file, broken);
    expect(lint(file)).toEqual([rule]);
  });

  test("builds from files that are there and mounts files that are there", () => {
    const { context, dockerfile } = gateway.build;
    expect(existsSync(join(ROOT, context, dockerfile))).toBe(true);
    const mounts = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(":")[0] ?? ""),
    );
    expect(mounts).toEqual([
      ...["./deploy/compose.yaml", "./models"],
      "./deploy/servers/tf-serving",
      "./deploy/servers/torchserve",
      ...["./deploy/servers/triton/digits/config.pbtxt", "./models/digits/1"],
    ]);
    for (const mount of mounts) expect.soft(existsSync(join(ROOT, mount)), mount).toBe(true);
  });

  test.each(CONFIGS)("mounts where the image and %s look", (name) => {
    const targets = gateway.volumes.map((volume) => volume.split(":")[1]);
    const { backends } = parse(readText(`deploy/${name}`)) as {
      readonly backends: { readonly local: { repository: string } };
    };
    expect(stepsOf("ENV")[0]?.text).toContain(`SLUICE_CONFIG=${targets[0]}`);
    expect(backends.local.repository).toBe(targets[1]);
  });

  test.each(CONFIGS)("publishes the port that the image exposes and %s listens on", (name) => {
    const { http, admin } = containerConfig(name).listen;
    expect(http).toEqual({ host: "0.0.0.0", port: 8000 });
    expect(gateway.ports).toEqual([`127.0.0.1:8000:${http?.port}`]);
    expect(stepsOf("EXPOSE").map(({ text }) => text)).toEqual([`${http?.port}`]);
    expect(healthCheck.join(" ")).toContain(`http://${admin?.host}:${admin?.port}/readyz`);
  });

  test.each(CONFIGS)("waits for a stop as long as the gateway may take by %s", (name) => {
    const { drainDelayMs, drainLimitMs } = containerConfig(name);
    const graceMs = Number(/^(\d+)s$/.exec(gateway.stop_grace_period)?.[1]) * 1000;
    expect(graceMs).toBeGreaterThan((drainDelayMs ?? Number.NaN) + drainLimitMs);
  });

  test("checks health as the image does", () => {
    expect(gateway.healthcheck.test).toEqual(["CMD", ...healthCheck]);
  });
});

describe("deploy/Dockerfile", () => {
  test("is a Dockerfile, and a mistake in it would be found", () => {
    const text = readText("deploy/Dockerfile");
    expect(validate(text)).toEqual([]);
    expect(validate(text.replace("STOPSIGNAL SIGTERM", "STOPSIGNAL")).length).toBe(1);
    expect(validate(text.replace("EXPOSE 8000", "EXPOSES 8000")).length).toBe(1);
  });

  test("runs as a user without rights, from the moment that it serves", () => {
    expect(stepsOf("USER").map(({ text }) => text)).toEqual(["node"]);
    const order = steps.map(({ keyword }) => keyword);
    expect(order.indexOf("USER")).toBeGreaterThan(order.lastIndexOf("RUN"));
    expect(stepsOf("STOPSIGNAL").map(({ text }) => text)).toEqual(["SIGTERM"]);
  });

  test("copies only what .dockerignore lets in", () => {
    const context = readBuildContext();
    const sources = steps
      .filter(({ keyword, text }) => keyword === "COPY" && !text.startsWith("/build/"))
      .flatMap(({ text }) => text.split(" ").slice(0, -1))
      .filter((path) => path !== ".");
    expect(sources).toEqual(["package.json", "package-lock.json", ".npmrc", "deploy/sluice.yaml", "models"]);
    for (const path of sources) expect.soft(context.has(path), path).toBe(true);
    expect(context.has("models/make.py")).toBe(false);
    expect(context.has("node_modules/fastify/package.json")).toBe(false);
    expect(context.has("test/architecture.test.ts")).toBe(false);
  });
});

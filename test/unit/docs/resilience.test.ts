// docs/resilience.md tells what holds where nothing is said, and its configs are right.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { balance } from "../../../policies/balance.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { retry } from "../../../policies/retry.ts";
import { ROOT } from "../../support/gateway.ts";

const text = readFileSync(join(ROOT, "docs/resilience.md"), "utf8");

/** What the first table says of the row whose first cell has these words. */
function said(what: string): string {
  const [table = ""] = text.split("\n\n").filter((block) => block.startsWith("| what | where nothing is said |"));
  const row = table.split("\n").find((line) => line.split("|")[1]?.includes(what));
  if (row === undefined) throw new Error(`no row of ${what}`);
  return row.split("|")[2]?.trim() ?? "";
}

/** The config where it says no more than it must. */
function usual() {
  const yaml = `backends:
  gpu: {kind: triton, endpoints: ["127.0.0.1:8000"]}
  local: {kind: onnx, repository: models}
models:
  m: {backend: gpu}
`;
  const loaded = loadConfig({ text: yaml, file: join(ROOT, "sluice.yaml"), env: {} }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const [gpu, local] = loaded.config.backends;
  return { config: loaded.config, gpu: gpu?.options as Words, local: local?.options as Words };
}

interface Words {
  readonly [word: string]: Words & number;
}

describe("what holds where nothing is said", () => {
  test("is what the words say", () => {
    const { config, gpu, local } = usual();
    expect([config.timeoutMs, said("deadline")]).toEqual([30_000, "30 s, less where the client says less"]);
    expect(retry.fallback).toEqual({ attempts: 2, share: 0.2, pauseMs: 0 });
    expect(said("retries")).toBe("two tries, 20 % of the requests and 10 a second more, no pause");
    expect(said("[calls to a server]")).toMatch(new RegExp(`^${gpu.limits?.inFlight} at each endpoint;`));
    expect(said("runs of a local")).toBe(`one in each worker; ${local.queue} wait for each model`);
    expect(gpu.health).toMatchObject({ every: 5000, unhealthyAfter: 3, healthyAfter: 2 });
    expect(said("health")).toBe(
      "asked every 5 s; three bad answers take an endpoint away, two good ones bring it back",
    );
    expect(balance.fallback).toMatchObject({ slowStartMs: 30_000, panicBelow: 0.5 });
    expect(said("slow start")).toBe("30 s; all are asked where less than half are well");
    expect(gpu.warmUp).toBeUndefined();
  });

  test("is nothing where it says off or none", () => {
    const off = ["hedge", "breaker", "ejection", "limit"];
    for (const kind of policyKinds) {
      if (kind.place === "route" || !off.includes(kind.word)) continue;
      expect("fallback" in kind, kind.word).toBe(false);
    }
    expect([said("second copy"), said("breaker"), said("ejection"), said("rates")]).toEqual([
      "off",
      "off",
      "off",
      "none",
    ]);
  });
});

const CONFIGS = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = ""]) => yaml);

test.each(CONFIGS)("is a right config: %s", (yaml) => {
  const server = "{kind: triton, endpoints: [127.0.0.1:8000, 127.0.0.1:8001]}";
  const around = yaml.includes("backends:") ? "" : `backends:\n  gpu: ${server}\n`;
  const loaded = loadConfig({ text: around + yaml, file: join(ROOT, "sluice.yaml"), env: {} }, kinds);
  expect(loaded.ok ? [] : loaded.mistakes).toEqual([]);
});

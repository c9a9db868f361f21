// The alerts and the dashboard ask for series, labels and values that the gateway has; promtool checks the rules where there is one.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { openMetrics } from "../../../gateway/metrics.ts";
import { ROOT } from "../../support/gateway.ts";
import { IDLE } from "../../support/idle-gauges.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const { groups } = parse(read("deploy/prometheus/alerts.yaml")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels } = JSON.parse(read("deploy/grafana/sluice.json")) as { readonly panels: readonly Panel[] };
const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** The names in PromQL that are series: words before a selector, a range or an operator, with our prefix or the process's. */
function seriesIn(query: string): readonly string[] {
  return [...query.matchAll(/\b(?:sluice|process|nodejs)_\w+/g)].map(([name]) => name);
}

/** What /metrics offers, with the series of a histogram. */
async function offered(): Promise<ReadonlySet<string>> {
  const { text } = await openMetrics(IDLE).expose();
  const names = new Set<string>();
  for (const [, name = "", type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (type !== "histogram") names.add(name);
    else for (const part of ["bucket", "sum", "count"]) names.add(`${name}_${part}`);
  }
  return names;
}

describe.each([
  ["deploy/prometheus/alerts.yaml", rules.map(({ expr }) => expr)],
  ["deploy/grafana/sluice.json", queries],
] as const)("%s", (_, asked) => {
  test("asks only for series that there are", async () => {
    const known = await offered();
    const wanted = asked.flatMap(seriesIn);
    expect(wanted.length).toBeGreaterThan(15);
    expect(wanted.filter((name) => !known.has(name))).toEqual([]);
    expect(known.has("sluice_cache_hits_total")).toBe(false);
  });

  test("knows of the cache, breakers, ejections, retries, limits, the store and the process", () => {
    const all = asked.flatMap(seriesIn);
    for (const word of ["cache", "breaker", "ejected", "retry", "limit", "store", "process"]) {
      expect
        .soft(
          all.some((name) => name.startsWith(`sluice_`) && name.includes(word)),
          word,
        )
        .toBe(true);
    }
  });
});

test("every alert says who should look and what is wrong, and has a name of its own", () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { alert, labels, annotations } of rules) {
    expect.soft(["page", "ticket"], alert).toContain(labels.severity);
    expect.soft(annotations.summary, alert).toMatch(/^[^A-Z].{20}/);
  }
});

test("the labels in an alert's words are labels that its query leaves", () => {
  for (const { alert, expr, annotations } of rules) {
    const said = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    const [, by] = /\bby \(([^)]*)\)/.exec(expr) ?? [];
    if (by === undefined) continue;
    for (const label of said) expect.soft(by.split(", "), alert).toContain(label);
  }
});

test("every series of the gateway is described in docs/operations.md", async () => {
  const text = read("docs/operations.md");
  const ours = [...(await offered())].filter((name) => name.startsWith("sluice_"));
  const names = new Set(ours.map((name) => name.replace(/_(bucket|sum|count)$/, "")));
  expect(names.size).toBeGreaterThan(40);
  expect([...names].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

test("the panels of the dashboard have places and ids of their own", () => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});

const promtool = spawnSync("promtool", ["--version"]).error === undefined;

test.skipIf(!promtool)("promtool finds the rules right, and their tests pass", () => {
  const cwd = join(ROOT, "deploy/prometheus");
  expect(`${execFileSync("promtool", ["check", "rules", "alerts.yaml"], { cwd })}`).toContain("SUCCESS");
  expect(`${execFileSync("promtool", ["test", "rules", "alerts.test.yaml"], { cwd })}`).toContain("SUCCESS");
});

test.skipIf(!promtool)("promtool finds every query of the dashboard right", () => {
  // what Grafana puts in, as it would
  const record = (expr: string, i: number) => ({
    record: `dashboard:query${i}`,
    expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$model", ".*"),
  });
  const file = JSON.stringify({ groups: [{ name: "dashboard", rules: queries.map(record) }] });
  const folder = mkdtempSync(join(tmpdir(), "sluice-dashboard-"));
  try {
    writeFileSync(join(folder, "rules.json"), file);
    const { stdout, stderr } = spawnSync("promtool", ["check", "rules", "rules.json"], { cwd: folder });
    expect(`${stdout}${stderr}`).toContain("SUCCESS");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

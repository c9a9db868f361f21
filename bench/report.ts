// Findings as tables for a terminal, and as JSON for the repository.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Figure, type Finding, type Goal, isMet } from "./figure.ts";
import type { Comparison } from "./harness.ts";
import type { Machine } from "./machine.ts";

export interface Result {
  readonly figure: string;
  readonly question: string;
  readonly machine: Machine;
  readonly findings: readonly Finding[];
}

/** Writes `results/<name>.json`. */
export function save(figure: Figure, machine: Machine, findings: readonly Finding[]): void {
  const result: Result = { figure: figure.name, question: figure.question, machine, findings };
  const path = fileURLToPath(new URL(`results/${figure.name}.json`, import.meta.url));
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
  // a list of numbers on one line: a diff shows rounds, not digits
  const text = JSON.stringify(result, round, 2).replace(/\[[\s\d.,eE+-]+\]/g, (list) => list.replace(/\s+/g, " "));
  writeFileSync(path, `${text}\n`);
}

/** A finding as lines. */
export function show(finding: Finding): string {
  const lines = [finding.title];
  if (finding.comparison !== undefined) lines.push(...table(comparisonTable(finding.comparison)));
  if (finding.rows !== undefined) {
    const columns = Object.keys(finding.rows[0]?.cells ?? {});
    lines.push(
      ...table([
        ["", ...columns],
        ...finding.rows.map(({ name, cells }) => [name, ...columns.map((column) => number(cells[column]))]),
      ]),
    );
  }
  for (const goal of finding.goals) lines.push(`  ${goalLine(goal)}`);
  for (const note of finding.notes) lines.push(`  ${note}`);
  return lines.join("\n");
}

function comparisonTable(comparison: Comparison): readonly (readonly string[])[] {
  const head = ["", `median ${comparison.unit}`, "quartiles", "ratio", "quartiles"];
  return [
    head,
    ...comparison.arms.map(({ name, median, q1, q3, ratio }) => [
      name,
      number(median),
      `${number(q1)} .. ${number(q3)}`,
      ratio === undefined ? "1" : ratio.median.toFixed(3),
      ratio === undefined ? "" : `${ratio.q1.toFixed(3)} .. ${ratio.q3.toFixed(3)}`,
    ]),
  ];
}

function goalLine(goal: Goal): string {
  const want = "atLeast" in goal.want ? `at least ${goal.want.atLeast}` : `at most ${goal.want.atMost}`;
  return `${isMet(goal) ? "met" : "MISSED"}: ${goal.what}: ${want}, got ${goal.got.toFixed(3)}`;
}

function number(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return `  ${cells.join("  ")}`.trimEnd();
  });
}

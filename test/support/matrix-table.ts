// The matrix as text: how much of each pair goes through, and for each front what is refused where, and why.

import type { Cell, End } from "./matrix.ts";

export const BEGIN = "<!-- matrix: begin -->";
export const END = "<!-- matrix: end -->";

/** The text between the markers of docs/protocols.md. */
export function matrixText(cells: readonly Cell[]): string {
  const fronts = groups(cells, ({ front }) => `${front.protocol}, ${front.form}`);
  const details = [...fronts].map(([front, own]) => `### ${front}\n\n${frontTable(own)}`);
  return [counts(fronts), ...details].join("\n\n");
}

/** Pairs of front and backend that carry fewer values in the new text than in the old one, or are there no longer. */
export function lost(before: string, now: string): readonly string[] {
  const [old, fresh] = [countsIn(before), countsIn(now)];
  return [...old].flatMap(([pair, count]) => {
    const left = fresh.get(pair);
    return left !== undefined && left >= count ? [] : [`${pair}: ${count} values before, ${left ?? "none"} now`];
  });
}

/** The numbers of the first table, by `front -> backend`. */
function countsIn(text: string): ReadonlyMap<string, number> {
  const table = text.trim().split("\n\n", 1)[0] ?? "";
  const [head = [], , ...lines] = table.split("\n").map((line) => line.split("|").slice(1, -1));
  return new Map(
    lines.flatMap(([front = "", ...cells]) =>
      cells.map((cell, i) => [`${front.trim()} -> ${head[i + 1]?.trim()}`, Number(cell)] as const),
    ),
  );
}

function counts(fronts: ReadonlyMap<string, readonly Cell[]>): string {
  const lines = [...fronts].map(([front, own]) => {
    const each = [...groups(own, backendOf).values()];
    return row([front, ...each.map((pair) => `${pair.filter(({ end }) => end.end === "ok").length}`)]);
  });
  const [first = []] = fronts.values();
  const backends = [...groups(first, backendOf).keys()];
  const rule = row([":--", ...backends.map(() => "--:")]);
  return [row(["front \\ backend", ...backends]), rule, ...lines].join("\n");
}

// values with equal ends are told together, and so are the backends where a value ends alike
function frontTable(cells: readonly Cell[]): string {
  const byValue = groups(cells, ({ value }) => value.name);
  const alike = groups([...byValue], ([, own]) => own.map(({ end }) => said(end)).join("\n"));
  const lines = [...alike.values()].flatMap((values) => {
    const names = values.map(([name]) => name).join(", ");
    const [, own] = values[0]!;
    return [...groups(own, ({ end }) => said(end))].map(([end, pairs]) => row([names, where(pairs, own), end]));
  });
  return [row(["values", "backends", "end"]), row(["---", "---", "---"]), ...lines].join("\n");
}

function where(pairs: readonly Cell[], all: readonly Cell[]): string {
  if (pairs.length === all.length) return "all";
  const names = (cells: readonly Cell[]) => cells.map(backendOf).join(", ");
  if (pairs.length <= all.length / 2) return names(pairs);
  return `all but ${names(all.filter((one) => !pairs.includes(one)))}`;
}

/** How a value ended, in words. */
export function said(end: End): string {
  switch (end.end) {
    case "ok":
      return "ok";
    case "refused":
      return `refused: ${end.reason}`;
    case "altered":
      return `ALTERED: ${end.got}`;
    default:
      return end satisfies never;
  }
}

function backendOf({ backend: { kind, form } }: Cell): string {
  return `${kind} ${form}`.trim();
}

function row(columns: readonly string[]): string {
  return `| ${columns.map((column) => column.replaceAll("|", "\\|")).join(" | ")} |`;
}

function groups<T>(all: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(all, keyOf);
}

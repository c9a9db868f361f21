// Colours and tables for a terminal, and the same text plain for everything else.

import Table from "cli-table3";
import pc from "picocolors";
import type { Io } from "./io.ts";

/** Colours text; changes nothing where no colours are wanted. */
export type Paint = Readonly<Record<"bold" | "dim" | "green" | "red" | "yellow" | "cyan", (text: string) => string>>;

export function paintFor(io: Pick<Io, "color">): Paint {
  const { bold, dim, green, red, yellow, cyan } = pc.createColors(io.color);
  return { bold, dim, green, red, yellow, cyan };
}

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

/** Aligned columns under a heading on a terminal; elsewhere tabs between the cells and no heading, as `cut` and `awk` want it. */
export function table(io: Io, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (!io.terminal)
    return rows.map((row) => `${row.map((cell) => cell.replaceAll(/\s+/g, " ")).join("\t")}\n`).join("");
  const paint = paintFor(io);
  const drawn = new Table({ chars: NO_LINES, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] } });
  drawn.push(
    head.map((cell) => paint.dim(cell)),
    ...rows.map((row) => [...row]),
  );
  return `${drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

/** A bar of `width` columns for a share between 0 and 1, in eighths of a column. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const rest = eighths % 8;
  return "█".repeat((eighths - rest) / 8) + (rest === 0 ? "" : String.fromCodePoint(0x2590 - rest));
}

/** A text without the signs that would move a terminal's cursor or change its state. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\uFFFD");
}

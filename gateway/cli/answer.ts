// A model's answer for a person: every output with its datatype, shape and values; probabilities as small bars.

import { elementCount, type Tensor } from "../../core/tensor.ts";
import { bar, type Paint, printable } from "./paint.ts";
import { argmax, probabilityRows, valuesOf, valueText } from "./values.ts";

/** Beyond these an output is cut short, and says so. */
const MOST_VALUES = 20;
const MOST_ROWS = 5;
const BAR_COLUMNS = 20;
/** Of more classes than bars are drawn for, the best few. */
const MOST_BARS = 20;
const BEST = 5;

/** The outputs as text, a line break at the end. */
export function answerText(outputs: readonly Tensor[], paint: Paint): string {
  return outputs.map((output) => outputText(output, paint)).join("");
}

function outputText(output: Tensor, paint: Paint): string {
  const { name, datatype, shape } = output;
  const head = `${paint.bold(printable(name))} ${paint.dim(`${datatype} [${shape.join(",")}]`)}`;
  const rows = probabilityRows(output, MOST_ROWS);
  if (rows === undefined) return `${head}  ${valuesText(output)}\n`;
  const left = (shape.length === 1 ? 1 : (shape[0] ?? 0)) - rows.length;
  const more = left > 0 ? `  ... ${left} more rows\n` : "";
  const several = shape.length > 1 && (shape[0] ?? 0) > 1;
  return `${head}\n${rows.map((row, i) => (several ? `  row ${i}\n` : "") + bars(row, paint)).join("")}${more}`;
}

function valuesText(output: Tensor): string {
  const count = elementCount(output.shape);
  const shown = valuesOf(output, MOST_VALUES).map(valueText).map(printable).join(" ");
  if (count === 0) return "(empty)";
  return count > MOST_VALUES ? `${shown} ... ${count - MOST_VALUES} more` : shown;
}

function bars(row: readonly number[], paint: Paint): string {
  const best = argmax(row);
  const order = row.map((share, index) => ({ share, index }));
  const shown = row.length <= MOST_BARS ? order : order.toSorted((a, b) => b.share - a.share).slice(0, BEST);
  const width = String(row.length - 1).length;
  const lines = shown.map(({ share, index }) => {
    const line = `  ${String(index).padStart(width)} ${percent(share)} ${bar(share, BAR_COLUMNS)}`.trimEnd();
    return index === best ? paint.green(`${line} <-`) : line;
  });
  const left = row.length - shown.length;
  return `${lines.join("\n")}\n${left > 0 ? paint.dim(`  ... ${left} smaller ones\n`) : ""}`;
}

/** A share as seven columns: ` 98.70%`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`.padStart(7);
}

// Sends pairs of inputs from every front to every backend, and tells what came of them as a table.

import type { Tensor } from "../../core/tensor.ts";
import { fakeBackend } from "./gateway-fake-backend.ts";
import { askAt, assembleOver, type End, reasonOf } from "./matrix.ts";
import { type MatrixBackend, specOf } from "./matrix-backends.ts";
import { FRONTS, type MatrixFront } from "./matrix-fronts.ts";
import type { ReadAll } from "./matrix-grpc.ts";
import { PAIRS, type Pair, SEVERAL } from "./matrix-several.ts";
import { said } from "./matrix-table.ts";

/** What came of a pair; the form of a front may have no room for it. */
export interface SeveralCell {
  readonly front: string;
  readonly backend: string;
  readonly pair: string;
  readonly end: End | { readonly end: "no form" };
}

/** One assembly, a model for each backend and pair. @param spoil changes what the backends answer */
export async function runSeveral(
  backends: readonly MatrixBackend[],
  spoil: (tensor: Tensor) => Tensor = (tensor) => tensor,
): Promise<readonly SeveralCell[]> {
  const fake = fakeBackend();
  const modelName = (b: number, p: number) => `b${b}p${p}`;
  for (const [b, { several }] of backends.entries()) {
    for (const [p, { x, w }] of PAIRS.entries()) {
      const inner = several.service(x, w);
      const [first, second] = several.outputs;
      fake.put(modelName(b, p), "1", {
        async service(request, call) {
          const reply = await inner(request, call);
          return reply.kind === "whole" ? { ...reply, outputs: reply.outputs.map(spoil) } : reply;
        },
        inputs: [specOf("x", x), specOf("w", w)],
        outputs: [specOf(first, x), specOf(second, w)],
      });
    }
  }
  const assembly = await assembleOver(fake);
  const cells: SeveralCell[] = [];
  for (const front of FRONTS) {
    for (const [b, { kind, form }] of backends.entries()) {
      for (const [p, pair] of PAIRS.entries()) {
        const end = await send(front, pair, { name: modelName(b, p), planes: assembly.planes });
        cells.push({ front: formName(front), backend: `${kind} ${form}`.trim(), pair: pair.name, end });
      }
    }
  }
  await assembly.close();
  return cells;
}

/** As the matrix names it. */
export function formName({ protocol, form }: Pick<MatrixFront, "protocol" | "form">): string {
  return `${protocol}, ${form}`;
}

async function send(front: MatrixFront, pair: Pair, at: Parameters<typeof askAt>[1]): Promise<SeveralCell["end"]> {
  const how = SEVERAL[formName(front)]!;
  const sent = how.send(pair, at.name);
  if (sent === undefined) return { end: "no form" };
  const { ask, listener } = askAt(front, at);
  const reply = await ask(sent);
  if (reply.status !== (listener === "grpc" ? 0 : 200)) {
    return { end: "refused", status: reply.status, reason: reasonOf(reply).replaceAll(at.name, "m") };
  }
  try {
    return compare(how.read(reply, pair), pair);
  } catch (error) {
    return { end: "altered", got: `unreadable: ${error instanceof Error ? error.message : error}` };
  }
}

function compare(outputs: ReadAll, { x, w }: Pair): End {
  const all = [...outputs];
  const wrong = all.filter(([name, { datatype, shape, data }]) => {
    const like = name === "x" || name === "u" ? x : w;
    const isLike = (datatype === undefined || datatype === like.datatype) && `${shape}` === `${like.shape}`;
    return !isLike || !Buffer.from(data).equals(like.data);
  });
  if (all.length === 2 && wrong.length === 0) return { end: "ok" };
  const told = wrong.map(([name, { shape, data }]) => `${name} [${shape}] ${Buffer.from(data).toString("hex")}`);
  return { end: "altered", got: `${all.length} outputs; ${told.join("; ")}` };
}

/** A row for each end of a pair; fronts whose pairs all end alike are told together. */
export function severalText(cells: readonly SeveralCell[]): string {
  const all = [...new Set(cells.map(({ backend }) => backend))];
  const fronts = Map.groupBy(cells, (cell) => cell.front);
  const alike = Map.groupBy(fronts, ([, own]) => endsOf(own, all).join("\n"));
  const lines = [...alike.values()].flatMap((group) => {
    const names = group.map(([front]) => front.replace(", ", " ")).join("; ");
    return endsOf(group[0]![1], all).map((end) => `| ${names} | ${end} |`);
  });
  return ["| fronts | x, w | backends | end |", "|---|---|---|---|", ...lines].join("\n");
}

/** What became of a front's pairs: pair, backends and end, as columns. */
function endsOf(cells: readonly SeveralCell[], all: readonly string[]): readonly string[] {
  const ends = Map.groupBy(cells, ({ pair, end }) => `${pair} ${words(end)}`);
  return [...ends.values()].map((same) => {
    const [{ pair, end } = same[0]!] = same;
    const where = same.map(({ backend }) => backend);
    const told = where.length === all.length ? "all" : shorter(where, all);
    return [pair, told, words(end).replaceAll("|", "\\|")].join(" | ");
  });
}

function words(end: SeveralCell["end"]): string {
  return end.end === "no form" ? "the form has no room for it" : said(end);
}

function shorter(where: readonly string[], all: readonly string[]): string {
  if (where.length <= all.length / 2) return where.join(", ");
  return `all but ${all.filter((one) => !where.includes(one)).join(", ")}`;
}

// Two inputs at once through every front and at every kind of backend: neither is altered, lost or taken for the other.

import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MatrixBackend, openBackends } from "../support/matrix-backends.ts";
import { FRONTS } from "../support/matrix-fronts.ts";
import { SEVERAL } from "../support/matrix-several.ts";
import { formName, runSeveral, type SeveralCell, severalText } from "../support/matrix-several-run.ts";

const PAGE = new URL("../../docs/protocols.md", import.meta.url);
const [BEGIN, END] = ["<!-- several: begin -->", "<!-- several: end -->"];

/** What a refusal names: who carries the pair, or why the model cannot take it. */
const REASON = /gRPC|protocol: grpc|binary|raw contents|Open Inference Protocol|format: /;

let backends: readonly MatrixBackend[];
let cells: readonly SeveralCell[];
beforeAll(async () => {
  backends = await openBackends();
  cells = await runSeveral(backends);
}, 60_000);
afterAll(() => Promise.all(backends?.map((backend) => backend.close()) ?? []));

test("every form of the matrix has one for two inputs, or says that it has no room", () => {
  expect(Object.keys(SEVERAL).sort()).toEqual(FRONTS.map(formName).sort());
});

test("no input changes on its way, to the bit, and none is taken for the other", () => {
  expect(cells.filter(({ end }) => end.end === "altered")).toEqual([]);
  expect(cells.filter(({ end }) => end.end === "ok").length).toBeGreaterThanOrEqual(716);
});

test("what cannot be carried is the caller's to change, in words that name what carries it", () => {
  const wrong = cells.filter(({ end }) => {
    if (end.end !== "refused") return false;
    const isCallers = [3, 12].includes(end.status) || (end.status >= 400 && end.status < 500);
    return !isCallers || !REASON.test(end.reason);
  });
  expect(wrong).toEqual([]);
});

test("docs/protocols.md has the table as it is", () => {
  const [before, rest = ""] = readFileSync(PAGE, "utf8").split(BEGIN);
  const [committed, after = ""] = rest.split(END);
  const now = `\n\n${severalText(cells)}\n\n`;
  if (process.env.SLUICE_MATRIX === undefined) return expect(now, "npm run matrix writes it anew").toBe(committed);
  writeFileSync(PAGE, `${before}${BEGIN}${now}${END}${after}`);
});

test("outputs that are each other's would be seen in every cell", async () => {
  const [triton] = backends.filter(({ kind, form }) => kind === "triton" && form === "http");
  const swapped = await runSeveral([triton!], (tensor) => ({ ...tensor, name: tensor.name === "x" ? "w" : "x" }));
  const isNamed = ({ front }: SeveralCell) => !front.includes("CSV");
  expect(swapped.filter((cell) => isNamed(cell) && cell.end.end === "ok")).toEqual([]);
});

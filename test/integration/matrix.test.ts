// The law of translation: a tensor means the same through every front and at every kind of backend, or is refused in words.
//
// The clients (test/support/matrix-{json,grpc,npy}.ts) and the servers that echo (matrix-echoes.ts) share nothing with wire/: the
// ones write JSON, protocol buffers and arrays by hand, the others move fields and pieces of text about without decoding them.
// Requests enter at the fronts' routes and leave by the kinds' connections; listeners, sockets and pools have tests of their own.

import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { protocols } from "../../gateway/protocols/registry.ts";
import { type Cell, runMatrix } from "../support/matrix.ts";
import { type MatrixBackend, openBackends } from "../support/matrix-backends.ts";
import { FRONTS, OTHERS } from "../support/matrix-fronts.ts";
import { BEGIN, END, lost, matrixText, said } from "../support/matrix-table.ts";

const PAGE = new URL("../../docs/protocols.md", import.meta.url);

/** What a refusal names: who carries the value, or which model cannot take it however it comes. */
const REASON =
  /gRPC|protocol: grpc|binary|raw contents|Open Inference Protocol|columns|as JSON|local ONNX model|onnxruntime-node/;

let backends: readonly MatrixBackend[];
let cells: readonly Cell[];
beforeAll(async () => {
  backends = await openBackends();
  cells = await runMatrix({ backends });
}, 60_000);
afterAll(() => Promise.all(backends?.map((backend) => backend.close()) ?? []));

const lineOf = ({ front, backend, value, end }: Cell) =>
  `${front.protocol} ${front.form} -> ${backend.kind} ${backend.form}: ${value.name}: ${said(end)}`;

test("every front protocol and every kind of backend that is registered stands in the matrix", () => {
  const fronts = [...FRONTS.map(({ protocol }) => protocol), ...Object.keys(OTHERS)];
  expect([...new Set(fronts)].sort()).toEqual(protocols.map(({ name }) => name).sort());
  expect([...new Set(backends.map(({ kind }) => kind))].sort()).toEqual(backendKinds.map(({ kind }) => kind).sort());
});

test("no value changes on its way, to the bit", () => {
  expect(cells.length).toBeGreaterThan(6_000);
  expect(cells.filter(({ end }) => end.end === "altered").map(lineOf)).toEqual([]);
});

test("what a pair cannot carry is the caller's to change, in words that name what carries it", () => {
  const wrong = cells.filter(({ end }) => {
    if (end.end !== "refused") return false;
    // INVALID_ARGUMENT and UNIMPLEMENTED over gRPC, else a 4xx
    const isCallers = [3, 12].includes(end.status) || (end.status >= 400 && end.status < 500);
    return !isCallers || !REASON.test(end.reason);
  });
  expect(wrong.map(lineOf)).toEqual([]);
});

test("what went through at the last commit goes through now: docs/protocols.md has the matrix as it is", () => {
  const page = readFileSync(PAGE, "utf8");
  const [before, rest = ""] = page.split(BEGIN);
  const [committed, after = ""] = rest.split(END);
  const now = `\n\n${matrixText(cells)}\n\n`;
  const how = process.env.SLUICE_MATRIX;
  if (how === undefined) return expect(now, "npm run matrix writes it anew").toBe(committed);
  // what is lost is lost on purpose, or not at all
  if (how !== "accept") expect(lost(committed ?? "", now), "SLUICE_MATRIX=accept npm run matrix takes it").toEqual([]);
  writeFileSync(PAGE, `${before}${BEGIN}${now}${END}${after}`);
});

test("a pair that carries less than at the last commit, or is gone, is named before the matrix is written anew", () => {
  const now = matrixText(cells);
  expect(lost(now, now)).toEqual([]);
  const worse = cells.map((cell) =>
    cell.front.form === "binary" && cell.backend.kind === "onnx" && cell.value.name === "INT64"
      ? { ...cell, end: { end: "refused", status: 400, reason: "no" } as const }
      : cell,
  );
  expect(lost(now, matrixText(worse))).toEqual(["oip-rest, binary -> onnx: 21 values before, 20 now"]);
  const fewer = cells.filter(({ front }) => front.form !== "CSV");
  expect(lost(now, matrixText(fewer))).toContain("sagemaker, CSV -> onnx: 17 values before, none now");
});

test("one flipped bit in an answer would be seen in every cell that holds an element", async () => {
  const [triton] = backends.filter(({ kind, form }) => kind === "triton" && form === "http");
  const spoil: Parameters<typeof runMatrix>[0]["spoil"] = (tensor) => {
    const data = Uint8Array.from(tensor.data);
    if (data.length > 0) data[data.length - 1]! ^= 1;
    return { ...tensor, data };
  };
  const spoiled = await runMatrix({ backends: [triton!], spoil });
  const isBlind = ({ value, end }: Cell) => value.data.length > 0 && end.end === "ok";
  expect(spoiled.filter(isBlind).map(lineOf)).toEqual([]);
  expect(spoiled.filter(({ end }) => end.end === "altered").length).toBeGreaterThan(200);
});

// The table of docs/backends.md that tells which datatypes each kind of server carries is that of the contract suite.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DATATYPES, type Datatype } from "../../../core/tensor.ts";
import { type Borne, DATATYPE_ROWS, type DatatypeRow } from "../../contract/external-datatype-rows.ts";

const DOCS = new URL("../../../docs/backends.md", import.meta.url);

const SERVERS: Readonly<Record<string, string>> = {
  ...{ triton: "Triton", mlserver: "MLServer", kserve: "KServe", torchserve: "TorchServe", bentoml: "BentoML" },
  ...{ "tf-serving": "TensorFlow's stubs", litserve: "LitServe", flask: "Flask" },
};

const isRefused = (borne: Borne | undefined) => borne?.startsWith("refused: ") === true;

/** `all but BF16`, and what of the others does not go there or does not come back. */
function lineOf({ kind, server, over, unlike }: DatatypeRow): string {
  const lacks = DATATYPES.filter((datatype) => isRefused(unlike[datatype.toLowerCase()]));
  const others = DATATYPES.filter((datatype) => !lacks.includes(datatype));
  const said = { go: [] as string[], back: [] as string[] };
  for (const [what, suffix] of [
    ["NaN and infinities", "-odd"],
    ["a NaN's payload", "-payload"],
  ] as const) {
    const floats = others.filter((datatype) => /FP|BF/.test(datatype));
    const at = (is: (borne: Borne | undefined) => boolean) =>
      floats.filter((datatype) => is(unlike[datatype.toLowerCase() + suffix]));
    said.go.push(...about(what, at(isRefused), floats));
    const isLost = suffix === "-odd" ? ["lost"] : ["lost", "canonical"];
    said.back.push(
      ...about(
        what,
        at((borne) => isLost.includes(borne ?? "")),
        floats,
      ),
    );
  }
  const texts = unlike["bytes-odd"];
  if (texts !== undefined) said[isRefused(texts) ? "go" : "back"].push("BYTES that are not UTF-8");
  // what may not go at all has no payload to lose
  const go = said.go.includes("NaN and infinities") ? said.go.filter((one) => one !== "a NaN's payload") : said.go;
  const back = said.back.includes("NaN and infinities")
    ? said.back.filter((one) => one !== "a NaN's payload")
    : said.back;
  const carries = lacks.length === 0 ? "all" : `all but ${lacks.join(", ")}`;
  return `| \`${kind}\` | ${SERVERS[server]} | ${over} | ${carries} | ${go.join("; ")} | ${back.join("; ")} |`;
}

function about(what: string, which: readonly Datatype[], floats: readonly Datatype[]): readonly string[] {
  if (which.length === 0) return [];
  return [which.length === floats.length ? what : `${what} in ${which.join(", ")}`];
}

test("says which datatypes each kind carries, as the contract suite sees it", () => {
  const docs = readFileSync(DOCS, "utf8");
  const lines = docs.slice(docs.indexOf("## Datatypes")).split("\n");
  const table = lines.slice(lines.findIndex((line) => line.startsWith("|---")) + 1);
  expect(table.slice(0, table.indexOf(""))).toEqual(DATATYPE_ROWS.map(lineOf));
});

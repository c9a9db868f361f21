import { describe, expect, it } from "vitest";
import { substitute } from "../../../config/references.ts";
import { configOf, mistakesIn } from "./kinds.ts";

describe("a reference to the environment", () => {
  const env = { A: "one", EMPTY: "", UNSET: undefined, NEST: "${A}" };

  it.each([
    ["${A}", "one"],
    ["x${A}y${A}", "xoneyone"],
    ["${UNSET:-two}", "two"],
    ["${EMPTY:-two}", "two"],
    ["${EMPTY}", ""],
    ["${UNSET:-}", ""],
    ["${A:-two}", "one"],
    ["${UNSET:-a:-b c}", "a:-b c"],
    ["$${A}", "${A}"],
    ["$$A $A 5$", "$$A $A 5$"],
    ["${NEST}", "${A}"],
  ])("%s becomes %s", (text, expected) => {
    expect(substitute(text, env)).toMatchObject({ ok: true, text: expected });
  });

  it.each(["${", "${A", "${}", "${1A}", "${A-b}", "${A B}"])("that is malformed is refused: %s", (text) => {
    expect(substitute(text, env)).toEqual({
      ok: false,
      messages: [`expected \${NAME} or \${NAME:-default}, got ${JSON.stringify(text)} ($\${ stands for a plain \${)`],
    });
  });

  it("that is unset and has no default is refused by name, each of them", () => {
    const got = substitute("${UNSET} ${toString}", env);
    expect(got.ok ? [] : got.messages).toEqual([
      "expected the environment variable UNSET to be set, or a default as in ${UNSET:-default}, got nothing",
      "expected the environment variable toString to be set, or a default as in ${toString:-default}, got nothing",
    ]);
  });
});

describe("a reference in a config", () => {
  const text = (value: string) =>
    `backends:\n  b:\n    kind: onnx\n    repository: ${value}\n    workers: \${W:-auto}\n`;
  const options = (value: string, env: Record<string, string>) => configOf(text(value), env).backends[0]?.options;

  it("becomes a number where it stands unquoted and reads as one", () => {
    expect(options("m", { W: "3" })).toEqual({ repository: "m", workers: 3 });
    expect(options("m", {})).toEqual({ repository: "m", workers: "auto" });
  });

  it("stays text where it is quoted", () => {
    expect(options('"${R}"', { R: "5" })).toEqual({ repository: "5", workers: "auto" });
  });

  it("never brings structure or comments into the config", () => {
    expect(options("${R}", { R: "{a: 1}" })).toEqual({ repository: "{a: 1}", workers: "auto" });
    expect(options("${R}", { R: "x # y" })).toEqual({ repository: "x # y", workers: "auto" });
    expect(options("${R}", { R: "x\nworkers: 9" })).toEqual({ repository: "x\nworkers: 9", workers: "auto" });
  });

  it("that cannot be replaced is one mistake at its place", () => {
    expect(mistakesIn(text("${R}"))).toEqual([
      "backends.b.repository: expected the environment variable R to be set, or a default as in ${R:-default}, got nothing (f.yaml:4)",
    ]);
  });

  it("cannot stand in a key", () => {
    expect(mistakesIn(`${text("m")}models:\n  "\${M}": {backend: b}`)).toEqual([
      'models["${M}"]: expected a plain key: references stand in values only (f.yaml:7)',
    ]);
  });

  it("in a comment is nothing", () => {
    expect(mistakesIn(`${text("m")}# \${NOT_SET}\n`)).toEqual([]);
  });
});

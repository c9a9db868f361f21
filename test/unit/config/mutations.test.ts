import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { loadConfig, parseYaml } from "../../../config/load.ts";
import { kinds, load } from "./kinds.ts";

const TEXTS = ["language.yaml", "broken.yaml"].map((name) =>
  readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), "utf8"),
);
const PIECES = [
  "{",
  "}",
  "[",
  "]",
  ":",
  "- ",
  "&a ",
  "*a",
  "!!set ",
  "|\n",
  "'",
  '"',
  "${",
  "}",
  "\t",
  "\n",
  "#",
  "? ",
  "---\n",
  "\u0000",
  "1",
  "~",
  "__proto__",
];

const mutated = fc
  .record({
    text: fc.constantFrom(...TEXTS),
    cuts: fc.array(
      fc.record({
        at: fc.nat(5000),
        length: fc.nat(30),
        piece: fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5 })),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ text, cuts }) =>
    cuts.reduce((all, { at, length, piece }) => {
      const from = at % all.length;
      return all.slice(0, from) + piece + all.slice(from + length);
    }, text),
  );

it("a config is right or refused with its mistakes, whatever its text; nothing is thrown", () => {
  fc.assert(
    fc.property(mutated, (text) => {
      const loaded = load(text);
      if (loaded.ok) return;
      const lines = text.split("\n").length;
      expect(loaded.mistakes.length).toBeGreaterThan(0);
      for (const { message, line = 1 } of loaded.mistakes) {
        expect(message).toMatch(/^(expected|unknown key|this key)/);
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
      }
    }),
    { seed: 3, numRuns: 300 },
  );
});

it("YAML beside a config is a value or an Error that names a line", () => {
  fc.assert(
    fc.property(mutated, (text) => {
      try {
        parseYaml(text);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect((error as Error).message).toMatch(/^line \d+: /);
      }
    }),
    { seed: 4, numRuns: 100 },
  );
});

it("a tag that nobody knows is a warning", () => {
  const source = { text: "backends: {b: {kind: onnx, repository: !path m}}", file: "f.yaml", env: {} };
  const loaded = loadConfig(source, kinds);
  expect(loaded.ok && loaded.warnings).toEqual(["unresolved tag: !path"]);
});

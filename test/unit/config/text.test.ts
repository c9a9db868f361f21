import { describe, expect, it } from "vitest";
import { parseYaml } from "../../../config/load.ts";
import { mistakesIn } from "./kinds.ts";

describe("text that is no config", () => {
  it.each([
    ["", "expected a map of words, got nothing (f.yaml)"],
    ["[]", "expected a map of words, got a list (f.yaml:1)"],
    ["hello", "expected a map of words, got text (f.yaml:1)"],
    ["a: 1\n---\nb: 2", "expected one YAML document, got another one after --- (f.yaml:2)"],
    ["a: b: c", "expected YAML: nested mappings are not allowed in compact mappings (f.yaml:1)"],
    ["a: *b", "expected YAML: unresolved alias (the anchor must be set before the alias): b (f.yaml:1)"],
    [`a: ${"[".repeat(50_000)}`, "expected YAML that nests less deeply (f.yaml:1)"],
    ["? [1]\n: 2", "expected YAML: with stringKeys, all keys must be strings (f.yaml:1)"],
  ])("is refused with its line: %#", (text, message) => {
    expect(mistakesIn(text)).toEqual([message]);
  });

  it("is refused when its aliases multiply without bound", () => {
    const rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"];
    for (let i = 1; i < 9; i += 1)
      rows.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(",")}]`,
      );
    expect(mistakesIn(rows.join("\n"))).toEqual([
      "expected YAML: excessive alias count indicates a resource exhaustion attack (f.yaml:1)",
    ]);
  });

  it("names at most five lines of broken syntax, each once", () => {
    const text = Array.from({ length: 20 }, (_, i) => `k${i}: "a" b c`).join("\n");
    const mistakes = mistakesIn(text);
    expect(mistakes).toHaveLength(5);
    expect(new Set(mistakes.map((mistake) => mistake.slice(mistake.lastIndexOf("(")))).size).toBe(5);
  });
});

describe("yaml beside a config", () => {
  it("gives the plain value, with dollars as they are", () => {
    expect(parseYaml("a: [1, ${X}]".replace("${X}", "'${X}'"))).toEqual({ a: [1, "${X}"] });
  });

  it("is refused with its line", () => {
    expect(() => parseYaml("a: 1\na: 2")).toThrow("line 2: a: expected each key once, got it twice");
    expect(() => parseYaml("a: 1\nb: [")).toThrow(/^line 2: expected YAML: flow sequence/);
  });
});

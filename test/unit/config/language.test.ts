import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { kinds } from "../../../gateway/kinds.ts";

const text = readFileSync(new URL("../../fixtures/language.yaml", import.meta.url), "utf8");
const read = (yaml: string) => loadConfig({ text: yaml, file: "f.yaml", env: {} }, kinds);

it("the whole example of the language is read without a mistake", () => {
  expect(read(text)).toMatchObject({ ok: true });
});

it("a letter too many in any of its words is found", () => {
  const words = [...text.matchAll(/^ {4}(\w+): /gm)].map(([line, word = ""]) => [line, word] as const);
  expect(words.length).toBeGreaterThan(15);
  const misread = words.filter(([line, word]) => read(text.replace(line, `    ${word}q: `)).ok);
  expect(misread).toEqual([]);
});

// The package's folder is found from wherever a module of it lies.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { packageRoot } from "../../../gateway/package-root.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-root-"));
const root = join(folder, "node_modules", "sluice-gateway");
mkdirSync(join(root, "dist", "gateway", "cli"), { recursive: true });
writeFileSync(join(root, "package.json"), '{"name": "sluice-gateway"}');
writeFileSync(join(root, "dist", "package.json"), '{"type": "module"}');
writeFileSync(join(folder, "package.json"), '{"name": "an-app"}');
afterAll(() => rmSync(folder, { recursive: true }));

const urlOf = (...parts: string[]) => pathToFileURL(join(...parts)).href;

test("the folder is the same for a source and for its compiled copy", () => {
  expect(packageRoot(urlOf(root, "gateway", "x.ts"))).toBe(root);
  expect(packageRoot(urlOf(root, "dist", "gateway", "cli", "x.js"))).toBe(root);
});

test("the package.json of another package in between does not stop the search", () => {
  expect(packageRoot(urlOf(root, "dist", "x.js"))).toBe(root);
});

test("a module outside the package is refused, naming the folder it lies in", () => {
  expect(() => packageRoot(urlOf(folder, "x.js"))).toThrow(
    `expected the package.json of sluice-gateway above ${folder}, found none`,
  );
});

// docs/design.md draws the layers in the order of gateway/stack.ts and names files that there are.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ABOVE_ROUTE, AT_ENDPOINT, AT_LEAF } from "../../../gateway/stack.ts";
import { ROOT } from "../../support/gateway.ts";

const text = readFileSync(join(ROOT, "docs/design.md"), "utf8");

/** The first words of the lines of the picture, in its order, without what stands outside of the stack. */
function drawn(picture: string): readonly string[] {
  const names = [...picture.matchAll(/^ +([a-z]+(?:, [a-z]+)*)(?: \([a-z]+\))? {2,}/gm)].map(([, name = ""]) => name);
  return names.flatMap((name) => name.split(", "));
}

/** The words of the config in the order in which a request meets them. */
const IN_ORDER = ["observe", "limit", ...ABOVE_ROUTE, "sequence", "route", ...AT_LEAF, "balance", ...AT_ENDPOINT];

test("the picture has the layers in their order", () => {
  const [, picture = ""] = /\n(bytes {2}->[\s\S]*?)\n```/.exec(text) ?? [];
  const all = drawn(picture);
  expect(all.slice(0, IN_ORDER.length)).toEqual(IN_ORDER);
  expect(all.slice(IN_ORDER.length)).toEqual(["bridge", "endpoint", "adapter"]);
});

test("every file and folder that the page names is there", () => {
  const named = new Set(
    [...text.matchAll(/\b(?:core|wire|policies|backends|config|gateway|test)\/[\w/.-]+[\w/]/g)].map(([name]) => name),
  );
  expect(named.size).toBeGreaterThan(30);
  expect([...named].filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
});

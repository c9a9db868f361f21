import { expect, test } from "vitest";
import { applyOverrides } from "../../../config/overrides.ts";

test("an override stands in place of the file's value, and remembers it", () => {
  const config = { models: { m: { route: { rules: [{ to: "a" }, { to: { canary: { percent: 5 } } }] } } } };
  const path = ["models", "m", "route", "rules", 1, "to", "canary", "percent"];
  const { config: changed, overrides, warnings } = applyOverrides(config, [{ path, value: 20 }]);
  expect(changed).toEqual({
    models: { m: { route: { rules: [{ to: "a" }, { to: { canary: { percent: 20 } } }] } } },
  });
  expect(overrides).toEqual([{ path, value: 20, was: "5" }]);
  expect(warnings).toEqual([]);
});

test("the config that was read is not changed, because an anchor may stand in several places of it", () => {
  const shared = { percent: 5 };
  const config = { models: { a: shared, b: shared } };
  const { config: changed } = applyOverrides(config, [{ path: ["models", "a", "percent"], value: 20 }]);
  expect(changed).toEqual({ models: { a: { percent: 20 }, b: { percent: 5 } } });
  expect(shared.percent).toBe(5);
});

test("a value for a key that the file does not have is put there, and holds until the file has it", () => {
  const path = ["models", "m", "labels", "next"];
  const first = applyOverrides({ models: { m: {} } }, [{ path, value: 3 }]);
  expect(first.config).toEqual({ models: { m: { labels: { next: 3 } } } });
  expect(first.overrides).toEqual([{ path, value: 3, was: "" }]);
  const later = applyOverrides({ models: { m: { labels: { next: 2 } } } }, first.overrides);
  expect(later.config).toEqual({ models: { m: { labels: { next: 2 } } } });
  expect(later.overrides).toEqual([]);
  expect(later.warnings).toEqual(["models.m.labels.next: the file has changed here, so the override 3 is dropped"]);
});

test("an override that says what the file says is none", () => {
  const { overrides } = applyOverrides({ percent: 5 }, [{ path: ["percent"], value: 5 }]);
  expect(overrides).toEqual([]);
});

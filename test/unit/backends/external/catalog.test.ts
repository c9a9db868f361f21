import { describe, expect, test } from "vitest";
import { openCatalog, type Source } from "../../../../backends/external/catalog.ts";
import { lookOf } from "../../../../backends/external/looks.ts";
import type { ModelState } from "../../../../core/event.ts";
import type { Catalog, ModelStatus } from "../../../../core/model.ts";
import { fakeEnv, seededRandom } from "../../../support/fake-env.ts";
import { ready } from "./fake-server.ts";

function source(models: readonly ModelStatus[] | undefined, healthy = true): Source {
  return { healthy, look: models === undefined ? undefined : lookOf(models, []) };
}

function setUp(init: readonly Source[] = []) {
  const env = fakeEnv();
  const state = { sources: init, changes: 0 };
  const catalog = openCatalog({ backend: "b", env, sources: () => state.sources });
  catalog.onChange(() => {
    state.changes += 1;
  });
  const set = (...sources: readonly Source[]) => {
    state.sources = sources;
    catalog.update();
  };
  return { env, state, catalog, set };
}

describe("the catalog of several servers", () => {
  test("has what any of them has, versions from old to new", () => {
    const { catalog, set } = setUp();
    set(source([ready("m", "10"), ready("k")]), source([ready("m", "2"), ready("m", "10")]));
    expect(catalog.ready("m")).toEqual(["2", "10"]);
    expect(catalog.list().map(({ name, version }) => `${name} ${version}`)).toEqual(["k 1", "m 2", "m 10"]);
  });

  test("a version is ready when one healthy server has it ready, whatever the others say", () => {
    const { catalog, set } = setUp();
    const failed: ModelStatus = { name: "m", version: "1", state: "unavailable", reason: "no memory" };
    set(source([failed]), source([ready("m")]), source([{ name: "m", version: "1", state: "loading" }]));
    expect(catalog.list()).toEqual([ready("m")]);
  });

  test("what is ready nowhere has the state and reason of the server that is nearest to it", () => {
    const { catalog, set } = setUp();
    const failed: ModelStatus = { name: "m", version: "1", state: "unavailable", reason: "no memory" };
    set(source([{ name: "m", version: "1", state: "loading" }]), source([failed]));
    expect(catalog.list()).toEqual([{ name: "m", version: "1", state: "loading" }]);
    set(source([failed]));
    expect(catalog.list()).toEqual([failed]);
    expect(catalog.ready("m")).toEqual([]);
  });

  test("what only servers without health have is known and not ready, and says why", () => {
    const { catalog, set } = setUp();
    set(source([ready("m")], false), source(undefined, false));
    expect(catalog.ready("m")).toEqual([]);
    expect(catalog.list()).toEqual([
      { name: "m", version: "1", state: "unavailable", reason: "no endpoint that has it is healthy" },
    ]);
  });

  test("a model is unknown only when no server was seen to have it", () => {
    const { catalog, set } = setUp();
    expect(catalog.ready("m")).toBeUndefined();
    set(source([ready("m")]));
    set(source([]));
    expect(catalog.ready("m")).toBeUndefined();
  });

  test("tells of changes only", () => {
    const { env, state, set } = setUp();
    set(source([ready("m")]));
    set(source([ready("m")]), source([ready("m")]));
    set(source([ready("m")], false), source([ready("m")]));
    expect(state.changes).toBe(1);
    set(source([ready("m"), ready("k")]));
    expect(state.changes).toBe(2);
    set();
    expect(state.changes).toBe(3);
    const said = env.events.map((event) => (event.type === "model-state" ? `${event.model} ${event.state}` : ""));
    expect(said).toEqual(["m ready", "k ready", "k unloading", "m unloading"]);
  });
});

// The rule again, as plainly as it can be said.
function judge(
  sources: readonly Source[],
  catalog: Pick<Catalog, "ready">,
  names: readonly string[],
): readonly string[] {
  return names.flatMap((name) => {
    const knows = sources.some(({ look }) => look?.ready.has(name) === true);
    const versions = new Set(sources.flatMap(({ healthy, look }) => (healthy ? (look?.ready.get(name) ?? []) : [])));
    const expected = knows ? [...versions].sort((a, b) => Number(a) - Number(b)).join() : undefined;
    const got = catalog.ready(name)?.join();
    return expected === got ? [] : [`${name}: ${expected} but ${got}`];
  });
}

const NAMES = ["a", "b", "c", "d"];
const STATES: readonly ModelState[] = ["ready", "ready", "loading", "unavailable", "unloading"];

function randomSources(random: () => number): readonly Source[] {
  const one = (): Source => {
    if (random() < 0.1) return source(undefined, random() < 0.5);
    const statuses = NAMES.flatMap((name) =>
      ["1", "2", "10"].flatMap((version) => {
        const state = STATES[Math.floor(random() * STATES.length)] as ModelState;
        return random() < 0.5 ? [{ name, version, state }] : [];
      }),
    );
    return source(statuses, random() < 0.7);
  };
  return Array.from({ length: Math.floor(random() * 6) }, one);
}

test("a thousand random backends keep to the rule", () => {
  const random = seededRandom(11);
  const { catalog, state, set } = setUp();
  for (let round = 0; round < 1000; round++) {
    set(...randomSources(random));
    expect(judge(state.sources, catalog, NAMES)).toEqual([]);
  }
});

test("the rule finds a catalog that asks servers without health", () => {
  const random = seededRandom(11);
  let found = 0;
  for (let round = 0; round < 100; round++) {
    const sources = randomSources(random);
    const { catalog, set } = setUp();
    set(...sources.map(({ look }) => ({ healthy: true, look })));
    found += judge(sources, catalog, NAMES).length > 0 ? 1 : 0;
  }
  expect(found).toBe(48);
});

test("servers that have the same share one look", () => {
  const first = lookOf([ready("m"), ready("k")], []);
  expect(lookOf([ready("m"), ready("k")], [first])).toBe(first);
  expect(lookOf([ready("m"), ready("k", "2")], [first])).not.toBe(first);
  expect(lookOf([ready("m")], [first])).not.toBe(first);
});

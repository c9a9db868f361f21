// The architecture holds: imports go one way and in no circle, each library and each part of the world has its door.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { census, judge } from "./support/architecture.ts";
import { TABLE } from "./support/architecture-table.ts";

const ROOT = join(import.meta.dirname, "..");
const FIXTURES = join(import.meta.dirname, "fixtures", "architecture");

test("the gateway keeps to its table", () => {
  expect(judge(ROOT, TABLE)).toEqual([]);
});

test("the whole gateway is read", () => {
  const seen = census(ROOT);
  for (const layer of Object.keys(TABLE.layers)) {
    expect.soft(seen.files.filter((path) => path.startsWith(`${layer}/`)).length, layer).toBeGreaterThan(0);
  }
  expect(seen.files).toContain("test/architecture.test.ts");
  expect(seen.imports).toContain("gateway/http.ts fastify");
});

// Each tree breaks the rules that it is named for in every way we know, and the findings are exact: a rule that stopped
// working, or that found too much, would fail here.
describe("the judge can fail", () => {
  test("a tree that keeps to the table breaks nothing", () => {
    expect(judge(join(FIXTURES, "clean"), TABLE)).toEqual([]);
  });

  test("an import against the table is found however it is written", () => {
    expect(judge(join(FIXTURES, "arrow"), TABLE)).toEqual([
      "arrow: backends/pool.ts:3 backends may not import gateway (gateway/main.ts)",
      "arrow: backends/pool.ts:4 backends may not import gateway (gateway/main.ts)",
      "arrow: backends/pool.ts:5 backends may not import policies (policies/retry.ts)",
      "arrow: backends/pool.ts:6 backends may not import gateway (gateway/main.ts)",
      "arrow: config/load.ts:3 config may not import backends (backends/pool.ts)",
      "arrow: core/kernel.ts:3 core may not import wire (wire/codec.ts)",
      "arrow: gateway/protocols/front.ts:3 gateway/protocols may not import gateway (gateway/main.ts)",
      "arrow: policies/cache.ts:3 policies may not import backends (backends/pool.ts)",
      "arrow: wire/codec.ts:3 wire may not import what lies outside the layers (test/help.ts)",
      "computed import: backends/pool.ts:7 hides what it imports",
      "cycle: backends/pool.ts -> gateway/main.ts -> config/load.ts -> backends/pool.ts",
      "cycle: policies/cache.ts -> backends/pool.ts -> gateway/main.ts -> policies/cache.ts",
      "missing: gateway/main.ts:5 imports gone.ts, which is not there",
      "missing: test/built.ts:1 imports gateway/gone.ts, which is not there",
    ]);
  });

  test("a circle of imports is found, one of types only too", () => {
    expect(judge(join(FIXTURES, "cycle"), TABLE)).toEqual([
      "cycle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts",
      "cycle: core/d.ts -> core/e.ts -> core/d.ts",
      "cycle: core/self.ts -> core/self.ts",
    ]);
  });

  test("a library that enters by a second door is found", () => {
    expect(judge(join(FIXTURES, "door"), TABLE)).toEqual([
      "door: backends/triton.ts:3 imports left-pad, which has no door in the table",
      "door: backends/triton.ts:5 imports @grpc/grpc-js, whose door is gateway/grpc.ts, backends/grpc-client.ts",
      "door: gateway/plane.ts:3 imports node:timers/promises, whose door is nowhere",
      "door: gateway/plane.ts:4 imports fastify, whose door is gateway/http.ts",
      "door: gateway/plane.ts:5 imports pino, whose door is gateway/log.ts",
    ]);
  });

  test("a library that is not declared is found, and a declared one that nobody imports", () => {
    expect(judge(join(FIXTURES, "dependency"), TABLE)).toEqual([
      "undeclared: gateway/log.ts:3 imports pino, which is not in dependencies",
      "undeclared: gateway/metrics.ts:3 imports prom-client, which is not in dependencies",
      "undeclared: test/a.test.ts:3 imports chance, which is not in package.json",
      "unused: package.json dependencies has fastify, which no layer imports",
      "unused: package.json dependencies has yaml, which no layer imports",
      "unused: package.json devDependencies has fast-check, which nobody imports",
    ]);
  });

  test("time, chance, the environment, the terminal, the network and files are found outside their doors", () => {
    expect(judge(join(FIXTURES, "world"), TABLE)).toEqual([
      "I/O: config/load.ts:3 config may not import node:fs",
      "I/O: policies/dice.ts:3 policies may not import node:fs",
      "world: policies/dice.ts:10 uses console.log, whose door is gateway/cli.ts, gateway/cli/",
      "world: policies/dice.ts:10 uses fetch, whose door is gateway/cli.ts, gateway/cli/",
      "world: policies/dice.ts:11 uses process.exit, whose door is gateway/cli.ts, gateway/cli/, backends/onnx/worker.ts",
      "world: policies/dice.ts:5 uses Date.now, whose door is gateway/env.ts",
      "world: policies/dice.ts:5 uses Math.random, whose door is gateway/env.ts",
      "world: policies/dice.ts:5 uses new Date, whose door is gateway/env.ts",
      "world: policies/dice.ts:5 uses performance.now, whose door is gateway/env.ts, backends/onnx/worker.ts",
      "world: policies/dice.ts:6 uses setInterval, whose door is gateway/env.ts",
      "world: policies/dice.ts:6 uses setTimeout, whose door is gateway/env.ts",
      "world: policies/dice.ts:7 uses Math.random, whose door is gateway/env.ts",
      "world: policies/dice.ts:8 uses process.env, whose door is gateway/cli.ts, gateway/cli/",
      "world: policies/dice.ts:9 uses process.env, whose door is gateway/cli.ts, gateway/cli/",
    ]);
  });

  test("a generator function inside another function is found however it is written", () => {
    expect(judge(join(FIXTURES, "generator"), TABLE)).toEqual([
      "inner generator: wire/codec.ts:10 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:13 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:18 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:23 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:29 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:4 is made anew at each call: see core/chain.ts",
      "inner generator: wire/codec.ts:7 is made anew at each call: see core/chain.ts",
    ]);
  });

  test("a file of bad form is found", () => {
    expect(judge(join(FIXTURES, "file"), TABLE)).toEqual([
      "default export: core/default-as.ts:4",
      "default export: core/default.ts:4",
      "module state: core/state.ts:3 can be assigned again at module level",
      "module state: core/state.ts:4 can be assigned again at module level",
      "opening: core/silent.ts:1 does not open with a sentence on what it is",
      "place: helpers/lost.ts:1 is in no layer of the table",
      "size: core/long.ts:1 has 301 lines, over 300, and does not argue why",
      "syntax: core/broken.ts:1 Unexpected token",
    ]);
  });
});

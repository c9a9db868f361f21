// A cache over changes of the config: the same version with another bridge, another model or other words, and back again.

import { afterAll, beforeAll, expect, test } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { jsonBody, plain } from "../../support/gateway-oip.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

let repository: TestRepository;
let gateway: TestGateway;
let first: string;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("two", "1", "times_2");
  await repository.put("three", "1", "times_3");
  gateway = await startGateway({
    kinds: [onnx],
    yaml: `
backends: {local: {kind: onnx, repository: "${repository.root}", workers: 1}}
models:
  m: {versions: {"1": {backend: local, model: two}}, cache: {ttl: 1h}}
`,
  });
  first = `${gateway.running.changes?.inForce().text}`;
});
afterAll(async () => {
  await gateway.close();
  await repository.close();
});

const VERSION = "{backend: local, model: two}";
const CACHE = "cache: {ttl: 1h}";

async function change(from: string, to: string): Promise<void> {
  expect(first).toContain(from);
  const done = await gateway.running.changes?.put(first.replace(from, to), { who: "test", why: "" });
  expect(done).toMatchObject({ ok: true });
}

async function ask(value: number, headers: Readonly<Record<string, string>> = {}, name = "x") {
  const { body, headers: own } = jsonBody([plain(name, "FP32", [1], [value])]);
  const answer = await gateway.ask({ path: "/v2/models/m/infer", body, headers: { ...own, ...headers } });
  const { outputs, error } = answer.json<{
    outputs?: readonly { name: string; data: readonly number[] }[];
    error?: string;
  }>();
  return { output: outputs?.[0]?.name ?? error, value: outputs?.[0]?.data[0], state: answer.headers["sluice-cache"] };
}

test("what a version is made of counts, not what it is called: another model, another bridge, and the first again", async () => {
  expect(await ask(10)).toEqual({ output: "y", value: 20, state: "miss" });
  expect(await ask(10)).toEqual({ output: "y", value: 20, state: "hit" });
  await change(VERSION, "{backend: local, model: three}");
  expect(await ask(10)).toEqual({ output: "y", value: 30, state: "miss" });
  await change(VERSION, "{backend: local, model: two, outputs: {z: y}}");
  expect(await ask(10)).toEqual({ output: "z", value: 20, state: "miss" });
  await change(VERSION, "{backend: local, model: two, inputs: {a: x}}");
  expect(await ask(10, {}, "a")).toEqual({ output: "y", value: 20, state: "miss" });
  await change(VERSION, VERSION);
  // its answers were true of it and still are
  expect(await ask(10)).toEqual({ output: "y", value: 20, state: "hit" });
});

test("answers that were kept under a header are not given under another one of the same value", async () => {
  await change(CACHE, "cache: {ttl: 1h, headers: [x-lang]}");
  expect(await ask(11, { "x-lang": "a" })).toMatchObject({ state: "miss" });
  expect(await ask(11, { "x-lang": "a" })).toMatchObject({ state: "hit" });
  await change(CACHE, "cache: {ttl: 1h, headers: [x-mode]}");
  expect(await ask(11, { "x-mode": "a" })).toMatchObject({ state: "miss" });
});

test("a model that loses its cache and gets it back has none of its old answers", async () => {
  await change(CACHE, CACHE);
  expect(await ask(12)).toMatchObject({ state: "miss" });
  await change(`, ${CACHE}`, "");
  expect(await ask(12)).toMatchObject({ value: 24, state: undefined });
  await change(CACHE, CACHE);
  expect(await ask(12)).toMatchObject({ value: 24, state: "miss" });
});

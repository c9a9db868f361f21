// A logical model whose versions the config declares, on several backends.

import { afterEach, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { Service } from "../../../core/service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { elements, jsonBody, plain } from "../../support/gateway-oip.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
afterEach(async () => gateway?.close());

/** Answers Y = X + add under names of its own, and remembers what it was asked. */
function adding(add: number, [input, output]: readonly [string, string] = ["X", "Y"]) {
  const asked: { readonly name: string; readonly version: string }[] = [];
  return {
    asked,
    inputs: [{ name: input, datatype: "FP32", shape: [-1] }] as const,
    outputs: [{ name: output, datatype: "FP32", shape: [-1] }] as const,
    service: (async (request) => {
      const { select, name } = request.model;
      asked.push({ name, version: select.by === "version" ? select.version : select.by });
      const x = request.inputs.find(({ name: there }) => there === input);
      if (x === undefined) throw new Error(`no input ${input}`);
      const values = elements({ ...x, datatype: "FP32" } as never) as number[];
      return wholeReply("there", "there", {
        outputs: [
          plain(
            output,
            "FP32",
            x.shape,
            values.map((value) => value + add),
          ),
        ],
      });
    }) satisfies Service,
  };
}

const CONFIG = `
backends: {a: {kind: fake-a}, b: {kind: fake-b}}
models:
  m:
    versions:
      1: {backend: a, model: one, version: 7}
      2: {backend: b, model: two, version: 9, inputs: {X: IN}, outputs: {Y: OUT}}
      10: {targets: [{backend: a, model: three, version: 1}, {backend: b, model: three, version: 1}]}
    labels: {stable: 1, next: 2}
`;

async function start() {
  const [a, b] = [fakeBackend("fake-a"), fakeBackend("fake-b")];
  const models = { one: adding(1), two: adding(2, ["IN", "OUT"]), threeA: adding(3), threeB: adding(3) };
  a.put("one", "7", models.one);
  b.put("two", "9", models.two);
  gateway = await startGateway({ yaml: CONFIG, kinds: [a.kind, b.kind] });
  return { a, b, models, gateway };
}

const infer = async (path: string) => {
  const answer = await gateway!.ask({ method: "POST", path, ...jsonBody([plain("X", "FP32", [1], [0.5])]) });
  if (answer.status !== 200) return { status: answer.status, error: `${answer.body}` };
  const { model_name, model_version, outputs } = JSON.parse(`${answer.body}`) as Record<string, unknown> & {
    outputs: { name: string; data: number[] }[];
  };
  return { model_name, model_version, outputs: outputs.map(({ name: output, data }) => [output, ...data]) };
};

test("a version is answered by its own target, under the logical name and number", async () => {
  const { models } = await start();
  expect(await infer("/v2/models/m/versions/1/infer")).toEqual({
    model_name: "m",
    model_version: "1",
    outputs: [["Y", 1.5]],
  });
  expect(await infer("/v2/models/m/versions/2/infer")).toEqual({
    model_name: "m",
    model_version: "2",
    outputs: [["Y", 2.5]],
  });
  expect(models.one.asked).toEqual([{ name: "one", version: "7" }]);
  expect(models.two.asked).toEqual([{ name: "two", version: "9" }]);
});

test("who names none gets the newest that is ready, and another as soon as that is", async () => {
  const { a, models } = await start();
  expect(await infer("/v2/models/m/infer")).toMatchObject({ model_version: "2" });
  a.put("three", "1", models.threeA);
  expect(await infer("/v2/models/m/infer")).toEqual({ model_name: "m", model_version: "10", outputs: [["Y", 3.5]] });
});

test("a version with several targets is ready while one of them is, and uses only that one", async () => {
  const { a, b, models } = await start();
  b.put("three", "1", models.threeB);
  expect(await infer("/v2/models/m/versions/10/infer")).toMatchObject({ outputs: [["Y", 3.5]] });
  expect([models.threeA.asked.length, models.threeB.asked.length]).toEqual([0, 1]);
  a.put("three", "1", models.threeA);
  b.put("three", "1", { ...models.threeB, state: "unavailable" });
  expect(await infer("/v2/models/m/versions/10/infer")).toMatchObject({ outputs: [["Y", 3.5]] });
  expect([models.threeA.asked.length, models.threeB.asked.length]).toEqual([1, 1]);
});

test("a version that nobody declared is not found; one whose backends have it not is unavailable, saying why", async () => {
  await start();
  expect(await infer("/v2/models/m/versions/3/infer")).toEqual({
    status: 404,
    error: expect.stringContaining('model \\"m\\" version 3 is not known: versions ready are 1, 2'),
  });
  expect(await infer("/v2/models/m/versions/10/infer")).toEqual({
    status: 503,
    error: expect.stringContaining(
      'backend \\"a\\" has no \\"three\\" version 1 now; backend \\"b\\" has no \\"three\\" version 1 now',
    ),
  });
});

test("a backend that has lost the model is unavailable, not the client's mistake", async () => {
  const { a, models } = await start();
  const lost = async () => {
    throw new InferError("not-found", 'model "one" is not known');
  };
  a.put("one", "7", { ...models.one, service: lost });
  expect(await infer("/v2/models/m/versions/1/infer")).toEqual({
    status: 503,
    error: expect.stringContaining('model \\"m\\" version 1: backend \\"a\\" has it no longer'),
  });
});

test("the signature is that of the target in the names that clients see, the versions those of the config", async () => {
  await start();
  const metadata = await gateway!.ask({ path: "/v2/models/m/versions/2" });
  expect(JSON.parse(`${metadata.body}`)).toMatchObject({
    name: "m",
    versions: ["1", "2"],
    inputs: [{ name: "X", datatype: "FP32", shape: [-1] }],
    outputs: [{ name: "Y", datatype: "FP32", shape: [-1] }],
  });
  expect((await gateway!.ask({ path: "/v2/models/m/versions/1/ready" })).status).toBe(200);
  expect((await gateway!.ask({ path: "/v2/models/m/versions/10/ready" })).status).not.toBe(200);
});

test("versions that differ in their signature are refused at the start, and named", async () => {
  const [a, b] = [fakeBackend("fake-a"), fakeBackend("fake-b")];
  a.put("one", "7", adding(1));
  b.put("two", "9", adding(2));
  await expect(startGateway({ yaml: CONFIG, kinds: [a.kind, b.kind] })).rejects.toThrow(
    'models.m: version 2 on backend "b": expected an output "Y", got none, as version 1 has it',
  );
});

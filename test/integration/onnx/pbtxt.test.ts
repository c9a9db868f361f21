// Triton's config.pbtxt beside local models: what it says holds, what it asks for and cannot have is said at load.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { classify } from "../../../gateway/protocols/triton/classify.ts";
import { runNow } from "../../../wire/sliced.ts";
import {
  floats,
  fp32,
  openBackend,
  openRepository,
  type TestBackend,
  type TestRepository,
} from "../../support/onnx-repository.ts";

let repository: TestRepository;
const opened: TestBackend[] = [];
beforeEach(async () => {
  repository = await openRepository();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.backend.close();
  await repository.close();
});

const IN_OUT = `
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } label_filename: "labels.txt" }`;

async function open(): Promise<TestBackend> {
  const one = await openBackend(repository.root, { workers: 1 });
  opened.push(one);
  await one.settled();
  return one;
}

const metadata = (one: TestBackend) => one.backend.metadata({ name: "m" }, new AbortController().signal);
const wish = (one: TestBackend) => one.backend.wishes?.get("batch")?.({ name: "m" });
const why = (one: TestBackend) => one.backend.catalog.list().map(({ reason }) => reason);

describe("a config.pbtxt", () => {
  test("gives rows with a limit, another shape and labels, and the newest version alone", async () => {
    await repository.put("m", "1", "times_1");
    await repository.put("m", "2", "times_2");
    await repository.write("m/labels.txt", "cat\ndog\n");
    await repository.write("m/config.pbtxt", `name: "m"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 3${IN_OUT}`);
    const one = await open();
    expect(one.backend.catalog.ready("m")).toEqual(["2"]);
    expect(await metadata(one)).toMatchObject({
      batchDim: 0,
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
      outputs: [{ name: "y", shape: [-1, 1], labels: ["cat", "dog"] }],
    });
    const reply = await one.ask("m", [fp32("x", [1, 2, 3], [3, 1])]);
    expect([floats(reply), reply.outputs[0]?.shape]).toEqual([
      [2, 4, 6],
      [3, 1],
    ]);
    await expect(one.ask("m", [fp32("x", [1, 2, 3, 4], [4, 1])])).rejects.toThrow(
      "inference request batch-size must be <= 3 for 'm'",
    );
    await expect(one.ask("m", [fp32("x", [1], [1])])).rejects.toThrow("expected shape [-1,1], got [1]");
    const config = await one.backend.control?.config?.({ name: "m" }, new AbortController().signal);
    expect(config).toMatchObject({ max_batch_size: 3, input: [{ dims: [1] }] });
  });

  test("without rows takes them for an ordinary dimension", async () => {
    await repository.put("m", "1", "times_1");
    await repository.write(
      "m/config.pbtxt",
      'backend: "onnxruntime" input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }',
    );
    const told = await metadata(await open());
    expect([told.batchDim, told.inputs[0]?.shape]).toEqual([undefined, [-1]]);
  });

  test("chooses versions and their file", async () => {
    for (const version of ["1", "2", "3"]) await repository.put("m", version, `times_${version}`);
    await repository.write("m/config.pbtxt", "version_policy { specific { versions: [1, 3] } }");
    expect((await open()).backend.catalog.ready("m")).toEqual(["1", "3"]);
    await repository.write("m/config.pbtxt", 'version_policy { all {} } default_model_filename: "other.onnx"');
    const other = await open();
    expect(why(other)).toEqual(Array(3).fill(expect.stringContaining("missing")));
  });

  test("says in the log what it asks for and does not get, and gives the model as many workers as there are", async () => {
    await repository.put("m", "1", "times_1");
    await repository.write(
      "m/config.pbtxt",
      "dynamic_batching { max_queue_delay_microseconds: 9000 priority_levels: 2 default_queue_policy { max_queue_size: 9 timeout_action: DELAY } } optimization { } instance_group [ { count: 8 kind: KIND_GPU gpus: [ 0 ] } ]",
    );
    const one = await open();
    expect(one.backend.catalog.ready("m")).toEqual(["1"]);
    const warned = one.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
    expect(warned).toEqual([
      "config.pbtxt: optimization is ignored: graphOptimization and executionProviders of config.yaml are the like of it",
      "config.pbtxt: dynamic_batching: max_queue_delay_microseconds: rows wait 5000 here, not 9000",
      "config.pbtxt: dynamic_batching: default_queue_policy: timeout_action ignored",
      "config.pbtxt: dynamic_batching: priority_levels ignored",
      "config.pbtxt: instance_group: KIND_GPU is ignored: models run on the CPU",
      "config.pbtxt: instance_group: gpus ignored",
    ]);
    expect(wish(one)).toEqual({ maxDelay: "5ms", maxQueue: 9 });
  });

  test.each([
    ["max_batch_size: 8 dynamic_batching { }", { maxRows: 8, maxDelay: "0ms" }],
    [
      "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }",
      { maxRows: 8, maxDelay: "0.1ms", preferred: [4, 8] },
    ],
    ["max_batch_size: 0 dynamic_batching { }", undefined],
    ["max_batch_size: 8", undefined],
  ])("asks for joining by dynamic_batching: %s", async (text, wanted) => {
    await repository.put("m", "1", "times_1");
    await repository.write("m/config.pbtxt", text);
    expect(wish(await open())).toEqual(wanted);
  });

  test.each([
    [
      "max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 8 ] }",
      "dynamic_batching: preferred_batch_size: expected 1 to 4, got 8",
    ],
    ["sequence_batching { direct { } }", "sequence_batching is not supported for local models"],
    ["ensemble_scheduling { step [ ] }", "ensemble_scheduling is not supported for local models"],
    ['platform: "tensorflow_savedmodel"', 'platform: expected "onnxruntime_onnx", got "tensorflow_savedmodel"'],
    ['name: "other"', 'name: expected "m" as the folder, got "other"'],
    ["max_batch_size: -1", "max_batch_size: expected at least 0, got -1"],
    ["max_batch_size: [", "line 1: expected a value, got the end of the text"],
    ['input { name: "z" data_type: TYPE_FP32 dims: [ 1 ] }', 'input "z" is not the model\'s'],
    ['input { name: "x" data_type: TYPE_INT32 dims: [ -1 ] }', 'input "x": data_type INT32, the model has FP32'],
    ['input { name: "x" data_type: TYPE_FP32 dims: [ 2, 2 ] }', 'input "x": shape [2,2], the model has [-1]'],
    ['output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] label_filename: "none.txt" }', "none.txt"],
    ['output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] label_filename: "../../passwd" }', "passwd"],
    ['default_model_filename: "../1/model.onnx"', "default_model_filename: expected the name of a file"],
    [
      'input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }',
      "allow_ragged_batch is not supported",
    ],
  ])("that cannot hold keeps the model out, and says why: %s", async (text, reason) => {
    await repository.put("m", "1", "times_1");
    await repository.write("m/config.pbtxt", text);
    const one = await open();
    expect(one.backend.catalog.ready("m")).toEqual([]);
    expect(why(one)).toEqual([expect.stringContaining("config.pbtxt: ")]);
    expect(why(one)).toEqual([expect.stringContaining(reason)]);
  });

  test("is gone over by what config.yaml says", async () => {
    for (const version of ["1", "2"]) await repository.put("m", version, `times_${version}`);
    await repository.write("m/config.pbtxt", "max_batch_size: 0");
    await repository.write("m/config.yaml", "versionPolicy: all");
    expect((await open()).backend.catalog.ready("m")).toEqual(["1", "2"]);
  });
});

test("labels of the repository stand in classes", async () => {
  await repository.put("m", "1", "times_1");
  await repository.write("m/labels.txt", "cat\r\ndog");
  await repository.write("m/config.pbtxt", `max_batch_size: 3${IN_OUT}`);
  const one = await open();
  const { outputs } = await one.ask("m", [fp32("x", [1, 2], [2, 1])]);
  const [spec] = (await metadata(one)).outputs;
  const [output] = outputs;
  if (output === undefined) throw new Error("expected an output");
  const classes = runNow(classify(output, { classes: 1, hasRows: true, labels: spec?.labels }));
  expect([classes.shape, Buffer.from(classes.data).toString("latin1")]).toEqual([
    [2, 1],
    expect.stringContaining(":0:cat"),
  ]);
});

// Versions come, change and go while the backend serves; what is broken is said to be, and takes nothing good down.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OnnxSeams } from "../../../backends/onnx/onnx.ts";
import {
  FIXTURES,
  floats,
  hurriedClock,
  openBackend,
  openRepository,
  type TestBackend,
  type TestRepository,
  trips,
} from "../../support/onnx-repository.ts";
import { openWatched, states, times, type Watched } from "../../support/onnx-watched.ts";

let repository: TestRepository;
const opened: TestBackend[] = [];
beforeEach(async () => {
  repository = await openRepository();
});
afterEach(async () => {
  for (const test of opened.splice(0)) await test.backend.close();
  await repository.close();
});

async function open(options: Readonly<Record<string, unknown>> = {}, seams: OnnxSeams = {}): Promise<Watched> {
  const test = await openWatched(repository.root, options, seams);
  opened.push(test);
  return test;
}

describe("versions", () => {
  it("appear and disappear while the backend serves; the newest answers", async () => {
    await repository.put("m", "9", "times_1");
    const test = await open();
    expect(await times(test, "m")).toBe(10);
    await repository.put("m", "10", "times_2");
    test.changed();
    await test.until("m", "10", "ready");
    expect([await times(test, "m"), await times(test, "m:9")]).toEqual([20, 10]);
    expect(test.backend.catalog.ready("m")).toEqual(["9", "10"]);
    await repository.remove("m/10");
    test.changed();
    await test.until("m", "10", undefined);
    expect([await times(test, "m"), await times(test, "m:10")]).toEqual([10, "not-found"]);
    await repository.remove("m");
    test.changed();
    await test.until("m", "9", undefined);
    expect([await times(test, "m"), test.backend.catalog.ready("m")]).toEqual(["not-found", undefined]);
  });

  it("are found by the real watcher", async () => {
    await repository.put("m", "1", "times_1");
    const test = await openBackend(repository.root, { watch: true });
    opened.push(test);
    await test.until("m", "1", "ready");
    await repository.put("m", "2", "times_2");
    await test.until("m", "2", "ready");
    await repository.remove("m/2");
    await test.until("m", "2", undefined);
    expect(await times(test, "m")).toBe(10);
  });

  it("replaced under load fail no call: every answer is the old one's or the new one's", async () => {
    await repository.put("m", "1", "times_1");
    const test = await open();
    const seen = new Map<number | string, number>();
    let going = true;
    const client = async () => {
      while (going) {
        const answer = await times(test, "m");
        seen.set(answer, (seen.get(answer) ?? 0) + 1);
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    for (const [fixture, answer] of [
      ["times_2", 20],
      ["times_3", 30],
      ["times_1", 10],
      ["times_2", 20],
    ] as const) {
      const before = await test.backend.metadata({ name: "m" }, AbortSignal.timeout(1000));
      await repository.put("m", "1", fixture);
      test.changed();
      while ((await times(test, "m")) !== answer) await new Promise((resolve) => setImmediate(resolve));
      const after = await test.backend.metadata({ name: "m" }, AbortSignal.timeout(1000));
      expect(after.artifact).not.toBe(before.artifact);
    }
    going = false;
    await clients;
    expect([...seen.keys()].sort()).toEqual([10, 20, 30]);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
  });

  it("in use finish their calls before they are let go", async () => {
    await repository.put("m", "1", "slow");
    const test = await open({ workers: 1 });
    const asked = [test.ask("m", [trips(10_000)]), test.ask("m", [trips(10_000)])];
    await repository.remove("m");
    test.changed();
    await test.until("m", "1", "unloading");
    expect(await times(test, "m")).toBe("unavailable");
    for (const answer of await Promise.all(asked)) expect(floats(answer)).toEqual([4096]);
    await test.until("m", "1", undefined);
  });

  it("may be loaded as the policy says, and the one before is kept until the newest is ready", async () => {
    for (const version of ["1", "2"]) await repository.put("m", version, `times_${version}`);
    await repository.write("m/config.yaml", "versionPolicy: {latest: 1}\nlabels: {stable: 2}\n");
    const test = await open();
    expect(states(test)).toEqual(["m 2 ready"]);
    expect(test.backend.catalog.label("m", "stable")).toBe("2");
    await repository.write("m/3/model.onnx", "broken");
    test.changed();
    await test.until("m", "3", "unavailable");
    expect(await times(test, "m")).toBe(20);
    await repository.put("m", "3", "times_3");
    test.changed();
    await test.until("m", "2", undefined);
    expect([await times(test, "m"), ...states(test)]).toEqual([30, "m 3 ready"]);
  });
});

describe("what is broken", () => {
  it("is reported with its reason and takes nothing down", async () => {
    await repository.put("m", "1", "times_1");
    await repository.write("m/2/model.onnx", "this is no model");
    await repository.write("m/3/notes.txt", "nothing here");
    await repository.write("empty/1/model.onnx", "");
    const test = await open();
    expect(states(test)).toEqual([
      "empty 1 unavailable the file is empty",
      "m 1 ready",
      "m 2 unavailable no ONNX model: byte 1 has wire type 4",
      "m 3 unavailable model.onnx is missing",
    ]);
    expect([await times(test, "m"), await times(test, "m:2"), await times(test, "empty")]).toEqual([
      10,
      "unavailable",
      "unavailable",
    ]);
  });

  it("as a replacement leaves the version as it was", async () => {
    await repository.put("m", "1", "times_1");
    const test = await open();
    await repository.write("m/1/model.onnx", "this is no model");
    test.changed();
    while (!test.lines.some(({ message }) => message.startsWith("a replacement could not be loaded"))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([await times(test, "m"), ...states(test)]).toEqual([10, "m 1 ready"]);
    await repository.put("m", "1", "times_3");
    test.changed();
    while ((await times(test, "m")) !== 30) await new Promise((resolve) => setImmediate(resolve));
  });

  it("because it is still being copied is not loaded until it rests", async () => {
    await repository.put("other", "1", "times_1");
    const test = await open();
    const whole = await readFile(join(FIXTURES, "times_2.onnx"));
    await mkdir(join(repository.root, "m/1"), { recursive: true });
    for (let length = 10; length < whole.length; length += 10) {
      await writeFile(join(repository.root, "m/1/model.onnx"), whole.subarray(0, length));
      test.changed();
      // less than the time in which it would be found at rest
      await new Promise((resolve) => hurriedClock.after(150, () => resolve(undefined)));
    }
    await writeFile(join(repository.root, "m/1/model.onnx"), whole);
    test.changed();
    await test.until("m", "1", "ready");
    expect(await times(test, "m")).toBe(20);
    expect(
      test.events
        .filter((event) => event.type === "model-state" && event.model === "m")
        .map((event) => "state" in event && event.state),
    ).toEqual(["loading", "ready"]);
  });

  it("in a config.yaml names the word, and what is loaded goes on", async () => {
    await repository.put("m", "1", "times_1");
    await repository.put("n", "1", "times_2");
    await repository.write("n/config.yaml", "worker: 2\n");
    const test = await open();
    expect(states(test)).toEqual(["m 1 ready", 'n 1 unavailable config.yaml: Unrecognized key: "worker"']);
    await repository.write("m/config.yaml", "labels: [");
    test.changed();
    while (test.lines.filter(({ message }) => message === "the model repository has mistakes").length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await times(test, "m")).toBe(10);
    await repository.write("n/config.yaml", "workers: 1\n");
    test.changed();
    await test.until("n", "1", "ready");
  });

  it("because it asks for more workers than there are says so", async () => {
    await repository.put("m", "1", "times_1");
    await repository.write("m/config.yaml", "workers: 5\n");
    expect(states(await open())).toEqual([
      "m 1 unavailable config.yaml: workers: expected at most the backend's 2, got 5",
    ]);
  });

  it("because memory would not do says how much there is", async () => {
    await repository.put("m", "1", "times_1");
    await repository.put("n", "1", "times_2");
    const test = await open({}, { memoryBytes: 300 });
    expect(states(test)).toEqual([
      "m 1 ready",
      "n 1 unavailable n version 1: 2 workers x 100B = 200B, which is more than is left: models have 200B of 240B (80 % of 300B)",
    ]);
    await repository.remove("m");
    test.changed();
    await test.until("m", "1", undefined);
    await repository.put("n", "1", "times_3");
    test.changed();
    await test.until("n", "1", "ready");
  });
});

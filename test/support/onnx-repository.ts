// A model repository in a temporary folder, and a backend with real workers over it.

import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type OnnxSeams, openOnnx } from "../../backends/onnx/onnx.ts";
import { onnxOptions } from "../../backends/onnx/options.ts";
import { parseYaml } from "../../config/load.ts";
import type { Backend, Endpoint } from "../../core/backend.ts";
import { type OwnedCall, openCall } from "../../core/call.ts";
import type { Clock } from "../../core/env.ts";
import type { Event } from "../../core/event.ts";
import type { InferResponse } from "../../core/request.ts";
import { joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { systemClock } from "../../gateway/env.ts";
import { openSlicer } from "../../gateway/slicer.ts";
import { seededRandom } from "./fake-env.ts";
import { requestFor } from "./scripted.ts";

export const FIXTURES = join(import.meta.dirname, "../fixtures/onnx");

export interface TestRepository {
  readonly root: string;
  /** Puts a fixture there as a version, whole at once. */
  put(model: string, version: string, fixture: string): Promise<void>;
  write(path: string, content: string | Uint8Array): Promise<void>;
  remove(path: string): Promise<void>;
  close(): Promise<void>;
}

export async function openRepository(): Promise<TestRepository> {
  const root = await mkdtemp(join(tmpdir(), "sluice-onnx-"));
  const write = async (path: string, content: string | Uint8Array) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  return {
    root,
    write,
    async put(model, version, fixture) {
      const path = join(root, model, version, "model.onnx");
      await mkdir(dirname(path), { recursive: true });
      await copyFile(join(FIXTURES, `${fixture}.onnx`), join(root, `.${model}.part`));
      await rename(join(root, `.${model}.part`), path);
    },
    remove: (path) => rm(join(root, path), { recursive: true }),
    close: () => rm(root, { recursive: true, force: true }),
  };
}

export interface TestBackend {
  readonly backend: Backend;
  readonly endpoint: Endpoint;
  readonly events: readonly Event[];
  readonly lines: readonly { readonly level: string; readonly fields: object; readonly message: string }[];
  /** Asks the model, or `model:version`. */
  ask(model: string, inputs: readonly Tensor[], call?: OwnedCall): Promise<InferResponse>;
  /** Resolves when the version is in this state. */
  until(model: string, version: string, state: string | undefined): Promise<void>;
  /** Resolves when nothing is loading. */
  settled(): Promise<void>;
  /** Resolves when an event of this type has happened. */
  happened(type: Event["type"]): Promise<void>;
}

/** The real time, with waits a tenth as long: a change of the repository is looked at twice, 300 ms apart. */
export const hurriedClock: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 10, callback) };

export async function openBackend(
  root: string,
  options: Readonly<Record<string, unknown>> = {},
  seams: OnnxSeams & { readonly clock?: Clock } = {},
): Promise<TestBackend> {
  const events: Event[] = [];
  const lines: { level: string; fields: object; message: string }[] = [];
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) check();
  };
  const line = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  const env = {
    clock: seams.clock ?? systemClock,
    random: seededRandom(1),
    emit: (event: Event) => {
      events.push(event);
      look();
    },
    log: { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") },
    variables: {},
  };
  const parsed = onnxOptions.parse({ repository: root, workers: 2, watch: false, ...options });
  const backend = await openOnnx(
    parsed,
    { name: "local", env, baseDir: "/", parseYaml, run: openSlicer(env.clock) },
    seams,
  );
  const when = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!holds()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  backend.catalog.onChange(look);
  const endpoint = backend.endpoints.list()[0] as Endpoint;
  const stateOf = (model: string, version: string) =>
    backend.catalog.list().find((each) => each.name === model && each.version === version)?.state;
  return {
    backend,
    endpoint,
    events,
    lines,
    async ask(name, inputs, given) {
      const [model = "", version] = name.split(":");
      const select = version === undefined ? ({ by: "default" } as const) : ({ by: "version", version } as const);
      const call = given ?? openTestCall();
      try {
        const reply = await endpoint.infer(requestFor(model, { model: { name: model, select }, inputs }), call);
        if (reply.kind !== "whole") throw new Error("expected a whole answer");
        return reply;
      } finally {
        call.end();
      }
    },
    until: (model, version, state) => when(() => stateOf(model, version) === state),
    settled: () => when(() => backend.catalog.list().every(({ state }) => state !== "loading")),
    happened: (type) => when(() => events.some((event) => event.type === type)),
  };
}

export function openTestCall(timeoutMs?: number): OwnedCall {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  return openCall({ id: "1", traceparent: "", clock: systemClock, protocol: "test", ...limit });
}

export function fp32(name: string, values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return { name, datatype: "FP32", shape, data: new Uint8Array(new Float32Array(values).buffer) };
}

export function int64(name: string, values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return { name, datatype: "INT64", shape, data: new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer) };
}

export function texts(name: string, values: readonly string[]): Tensor {
  const data = joinBytesElements(values.map((value) => Buffer.from(value)));
  return { name, datatype: "BYTES", shape: [values.length], data };
}

export function floats(response: InferResponse, output = 0): number[] {
  const { data } = response.outputs[output] as Tensor;
  return [...new Float32Array(new Uint8Array(data).buffer)];
}

/** Rounds of the fixture `slow`: each takes about 6 us here. */
export function trips(count: number): Tensor {
  return int64("trips", [count], []);
}

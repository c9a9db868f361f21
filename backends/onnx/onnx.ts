// The kind `onnx`: models from a folder, run here by ONNX Runtime in a pool of workers.

import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { type Backend, type BackendContext, type BackendKind, type Endpoint, fixedPool } from "../../core/backend.ts";
import { type Call, checkCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, ModelRef } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { checkRequest } from "./check.ts";
import { openOnnxControl } from "./control.ts";
import { checkRows, reshape } from "./declared.ts";
import { openLibrary } from "./library.ts";
import { memoryLimit, openMemory } from "./memory.ts";
import { batchWishOf, identityOf, metadataOf } from "./metadata.ts";
import { type OnnxOptions, onnxOptions, workerCount } from "./options.ts";
import { openPool, type Pool } from "./pool.ts";
import { type SpawnWorker, spawnProcess, spawnThread } from "./port.ts";
import { openShelf, type Shelf } from "./shelf.ts";
import { type WatchFolder, watchFolder } from "./watch.ts";

/** What tests put in place of the real ones. */
export interface OnnxSeams {
  readonly spawn?: SpawnWorker;
  readonly watchFolder?: WatchFolder;
  readonly memoryBytes?: number;
}

export const onnx: BackendKind<OnnxOptions> = {
  kind: "onnx",
  options: onnxOptions,
  seesFiles: true,
  open: (options, context) => openOnnx(options, context),
};

/** @throws InferError invalid-argument when the repository is not there */
export async function openOnnx(options: OnnxOptions, context: BackendContext, seams: OnnxSeams = {}): Promise<Backend> {
  const { env, name } = context;
  const root = await rootOf(options, context);
  const workers = workerCount(options);
  const shelf = openShelf(name, env);
  const pool = openPool({
    backend: name,
    workers,
    spawn: seams.spawn ?? (options.isolation === "process" ? spawnProcess : spawnThread),
    maxQueue: options.queue,
    runTimeoutMs: options.runTimeout,
    env,
  });
  const memory = openMemory(seams.memoryBytes ?? memoryLimit());
  const library = openLibrary({ root, options, workers, shelf, pool, memory, parseYaml: context.parseYaml, env });
  let stopWatch = async () => {};
  try {
    await library.lookNow();
    if (options.watch) {
      stopWatch = (seams.watchFolder ?? watchFolder)(root, {
        changed: library.lookSoon,
        failed: (error) => env.log.error({ err: error, repository: root }, "the model repository cannot be watched"),
      });
    }
  } catch (error) {
    await pool.close();
    throw error;
  }
  const endpoint = openEndpoint({ backend: name, shelf, pool, context });
  return {
    name,
    kind: "onnx",
    catalog: shelf.catalog,
    endpoints: fixedPool([endpoint]),
    metadata: async (model) => metadataOf(shelf, refOf(model)),
    identity: (model) => identityOf(shelf, refOf(model)),
    wishes: new Map([["batch", (model) => batchWishOf(shelf, refOf(model))]]),
    control: openOnnxControl(library, shelf),
    async close() {
      // first of all, since it refuses new calls at once
      const closed = pool.close();
      await stopWatch();
      await library.close();
      await closed;
    },
  };
}

async function rootOf(options: OnnxOptions, context: BackendContext): Promise<string> {
  const path = resolve(context.baseDir, options.repository);
  try {
    return await realpath(path);
  } catch (error) {
    throw new InferError("invalid-argument", `backend "${context.name}": no repository at ${path}`, { cause: error });
  }
}

interface EndpointParts {
  readonly backend: string;
  readonly shelf: Shelf;
  readonly pool: Pool;
  readonly context: BackendContext;
}

function openEndpoint(parts: EndpointParts): Endpoint {
  const { backend, pool, shelf } = parts;
  const id = `${backend}/local`;
  let closed = false;
  const runnable = (ref: ModelRef): boolean => {
    try {
      return pool.canServe(shelf.resolve(ref).artifact.session);
    } catch {
      return false;
    }
  };
  return {
    id,
    zone: undefined,
    weight: 1,
    tier: 0,
    tags: [],
    slots: pool.slots,
    infer: (request, call) => infer(parts, request, call),
    available: () => !closed && pool.alive(),
    serves: (model) => runnable(refOf(model)),
    ready: async (model) => runnable(refOf(model)),
    async close() {
      closed = true;
    },
  };
}

async function infer(parts: EndpointParts, request: InferRequest, call: Call): Promise<InferResponse> {
  const { backend, context, pool, shelf } = parts;
  checkCall(call);
  if (request.task !== "infer") throw new InferError("unsupported", `a local ONNX model cannot ${request.task}`);
  const { version, artifact } = shelf.resolve(request.model);
  const model = { name: version.model, version: version.version };
  call.trace.learn({ backend, endpoint: `${backend}/local`, version: model.version });
  const checked = checkRequest(request, artifact.signature);
  checkRows(request, artifact.signature);
  const inputs = reshape(checked.inputs, artifact.signature, "there");
  const done = artifact.use();
  try {
    const { outputs, queuedMs, ranMs } = await pool.run(
      { session: artifact.session, model: model.name, outputs: checked.outputs, inputs },
      call,
    );
    call.trace.learn({ queuedMs, ranMs });
    call.loan.done();
    context.env.emit({ type: "run-done", backend, model: model.name, version: model.version, queuedMs, ranMs });
    const shaped = reshape(outputs, artifact.signature, "here");
    return { kind: "whole", model, outputs: shaped, parameters: NO_PARAMETERS };
  } finally {
    done();
  }
}

function refOf(model: { readonly name: string; readonly version?: string }): ModelRef {
  const { name, version } = model;
  return { name, select: version === undefined ? { by: "default" } : { by: "version", version } };
}

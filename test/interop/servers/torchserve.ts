// The real TorchServe 0.12 with one handler for all models; it needs Java 17 and takes up to 300 MiB a worker.

import { execFile } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../support/ports.ts";
import { type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, type Venv, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

const run = promisify(execFile);

export interface TorchServe extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly management: number;
  readonly grpc: number;
  readonly python: string;
}

/** Versions of each model, the first is the default one; `batched` is `faulty` in batches of up to 4, gathered for 50 ms. */
const MODELS = {
  digits: ["1.0", "2.0"],
  echo: ["1.0"],
  faulty: ["1.0"],
  batched: ["1.0"],
  stream: ["1.0"],
} as const;

export type TorchServeModel = keyof typeof MODELS;

export interface TorchServeOptions {
  readonly models?: readonly TorchServeModel[];
  /** More lines for config.properties. */
  readonly config?: readonly string[];
}

/** The environment that has TorchServe, where there is a Java for it. */
export async function torchServeVenv(): Promise<Venv | Missing> {
  const java = await run("java", ["-version"]).catch(() => undefined);
  if (java === undefined) return { missing: "TorchServe needs Java 17, and there is no java here" };
  return venv("torchserve", {
    packages: [
      ["torch==2.13.0"],
      ["torchserve==0.12.0", "torch-model-archiver==0.12.0", "torch-workflow-archiver"],
      ["psutil", "packaging", "pyyaml", "pillow", "setuptools<81", ONNX_RUNTIME],
    ],
    check:
      "from importlib.metadata import version; import torch, psutil, numpy; assert (version('torchserve'), version('onnxruntime')) == ('0.12.0', '1.30.0')",
    timeoutMs: 600_000,
  });
}

/** A TorchServe without token authorization and with the model API, on ports of its own. */
export async function startTorchServe(options: TorchServeOptions = {}): Promise<TorchServe | Missing> {
  const found = await torchServeVenv();
  if (isMissing(found)) return found;
  const folder = await workFolder("torchserve");
  try {
    const running = await start(found, folder.path, options);
    return { ...running, close: () => running.close().then(folder.remove) };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function start(found: Venv, folder: string, options: TorchServeOptions): Promise<TorchServe> {
  const names = options.models ?? ["digits", "echo", "faulty", "stream"];
  const [http = 0, management = 0, metrics = 0, grpc = 0, grpcManagement = 0] = await freePorts(5);
  for (const name of names) for (const version of MODELS[name]) await writeArchive(folder, name, version);
  await mkdir(join(folder, "tmp"));
  const archives = names.flatMap((name) => MODELS[name].map((version) => archiveOf(name, version)));
  const settings = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(MODELS[name].map((version) => [version, settingsOf(name, version)])),
    ]),
  );
  const config = [
    `inference_address=http://127.0.0.1:${http}`,
    `management_address=http://127.0.0.1:${management}`,
    `metrics_address=http://127.0.0.1:${metrics}`,
    ...["grpc_inference_address=127.0.0.1", `grpc_inference_port=${grpc}`],
    ...["grpc_management_address=127.0.0.1", `grpc_management_port=${grpcManagement}`],
    ...["job_queue_size=10", "enable_envvars_config=false", `load_models=${archives.join(",")}`],
    `models=${JSON.stringify(settings)}`,
    ...(options.config ?? []),
  ];
  await writeFile(join(folder, "config.properties"), `${config.join("\n")}\n`);
  const running = await startServer({
    command: join(found.bin, "torchserve"),
    args: [
      ...["--start", "--foreground", "--ncs", "--disable-token-auth", "--enable-model-api"],
      ...["--model-store", join(folder, "store"), "--ts-config", join(folder, "config.properties")],
    ],
    cwd: folder,
    env: {
      ...PYTHON_ENV,
      PATH: `${found.bin}:${process.env.PATH}`,
      // its pid file lies in there: with a common one, a second TorchServe refuses to start
      TMPDIR: join(folder, "tmp"),
      LOG_LOCATION: join(folder, "logs"),
      METRICS_LOCATION: join(folder, "logs"),
    },
    ready: async () => {
      for (const name of names) if (!(await allWorkersReady(management, name))) return false;
      return true;
    },
    timeoutMs: 180_000,
  });
  return { ...running, version: "0.12.0", http, management, grpc, python: found.python };
}

function settingsOf(name: TorchServeModel, version: string) {
  return {
    defaultVersion: version === MODELS[name][0],
    marName: archiveOf(name, version),
    ...{ minWorkers: 1, maxWorkers: 1, responseTimeout: 20 },
    ...(name === "batched" ? { batchSize: 4, maxBatchDelay: 50 } : { batchSize: 1, maxBatchDelay: 100 }),
  };
}

function archiveOf(name: string, version: string): string {
  return `${name}-${version}`;
}

// An archive need not be packed: what torch-model-archiver --archive-format no-archive makes.
async function writeArchive(folder: string, name: string, version: string): Promise<void> {
  const archive = join(folder, "store", archiveOf(name, version));
  await mkdir(join(archive, "MAR-INF"), { recursive: true });
  await copyFile(join(PYTHON, "torchserve_handler.py"), join(archive, "torchserve_handler.py"));
  const model = { modelName: name, modelVersion: version, handler: "torchserve_handler.py" };
  const manifest = { createdOn: "01/01/2026 00:00:00", runtime: "python", model, archiverVersion: "0.12.0" };
  await writeFile(join(archive, "MAR-INF/MANIFEST.json"), JSON.stringify(manifest));
}

interface Described {
  readonly workers: readonly { readonly status: string }[];
}

async function allWorkersReady(port: number, name: string): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/models/${name}/all`);
  if (response.status !== 200) return false;
  const versions = (await response.json()) as readonly Described[];
  return versions.every((one) => one.workers.length > 0 && one.workers.every((worker) => worker.status === "READY"));
}

// The real Triton 2.51 out of pytriton's wheel, with its Python backend. Recipe and traps: see `start` below.

import { execFile } from "node:child_process";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, type ServerPlan, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, type Venv, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";
import { type TritonModelName, writeTritonModels } from "./triton-models.ts";

const run = promisify(execFile);

export interface TritonOptions {
  /** Those of `triton-models.ts` to serve. */
  readonly models?: readonly TritonModelName[];
  /**
   * `explicit` (the default) lets models be loaded and unloaded, `poll` looks for changed files every second; all are loaded
   * at the start in any case.
   */
  readonly control?: "explicit" | "poll" | "none";
  /** More words for its command line. */
  readonly args?: readonly string[];
}

export interface Triton extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
  /** A Python with tritonclient in it. */
  readonly python: string;
  /** Where its models are: it stands in some of its messages. */
  readonly folder: string;
  /** The file to which `stream` appends a line when it was cancelled. */
  readonly cancelled: string;
  /** Ends it and starts it again on the same ports, with the files that it has by then. */
  restart(): Promise<void>;
}

const USUAL: readonly TritonModelName[] = ["digits", "add_sub", "echo", "faulty", "stream"];

/** A Triton on ports of its own. */
export async function startTriton(options: TritonOptions = {}): Promise<Triton | Missing> {
  const found = await venv("triton", {
    packages: [["nvidia-pytriton==0.7.0", "tritonclient[all]", ONNX_RUNTIME]],
    check:
      "import pytriton, tritonclient.http, tritonclient.grpc, onnxruntime; assert onnxruntime.__version__ == '1.30.0'",
  });
  if (isMissing(found)) return found;
  const folder = await workFolder("triton");
  try {
    const running = await start(found, folder.path, options);
    const close = () => running.close().then(folder.remove);
    return { ...running, close };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function start(found: Venv, folder: string, options: TritonOptions): Promise<Triton> {
  const home = join(found.sitePackages, "pytriton/tritonserver");
  const repository = join(folder, "models");
  const backend = join(folder, "backends/python");
  const cancelled = join(folder, "cancelled");
  await mkdir(backend, { recursive: true });
  await cp(join(home, "backends/python"), backend, { recursive: true });
  await cp(join(home, "python_backend_stubs", await minor(found.python)), backend, { recursive: true });
  // the stub sets PYTHONPATH itself, to this folder among others
  await cp(join(PYTHON, "demo.py"), join(backend, "demo.py"));
  await writeTritonModels(repository, options.models ?? USUAL);
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  const controls = {
    explicit: ["--model-control-mode=explicit", "--load-model=*"],
    poll: ["--model-control-mode=poll", "--repository-poll-secs=1"],
    none: [],
  };
  const plan: ServerPlan = {
    command: join(home, "bin/tritonserver"),
    args: [
      ...["--model-repository", repository, "--backend-directory", join(folder, "backends")],
      "--backend-config=python,shm-default-byte-size=4194304",
      ...["--http-address", "127.0.0.1", "--http-port", `${http}`],
      ...["--grpc-address", "127.0.0.1", "--grpc-port", `${grpc}`],
      ...["--metrics-address", "127.0.0.1", "--metrics-port", `${metrics}`, "--allow-gpu-metrics=false"],
      ...["--exit-on-error=false", "--strict-readiness=false", "--disable-auto-complete-config"],
      ...controls[options.control ?? "explicit"],
      ...(options.args ?? []),
    ],
    env: {
      ...PYTHON_ENV,
      // the stub takes its Python from the first python3 on PATH; with another one every tensor is silently empty
      PATH: `${found.bin}:${process.env.PATH}`,
      LD_LIBRARY_PATH: `${await libraries(found.python)}:${join(found.sitePackages, "nvidia_pytriton.libs")}`,
      SLUICE_CANCELLED: cancelled,
    },
    ready: async () =>
      (await answers(http, "/v2/health/ready")()) && (await states(http)).every((one) => one.state !== "LOADING"),
  };
  let running = await startServer(plan);
  const failed = (await states(http)).filter((one) => one.state !== "READY" && one.name !== "broken");
  if (failed.length > 0) {
    await running.close();
    throw new Error(`Triton cannot load its models: ${JSON.stringify(failed)}`);
  }
  return {
    ...running,
    log: () => running.log(),
    memoryBytes: () => running.memoryBytes(),
    close: () => running.close(),
    async restart() {
      await running.close();
      running = await startServer(plan);
    },
    version: await versionAt(http),
    http,
    grpc,
    metrics,
    python: found.python,
    folder,
    cancelled,
  };
}

interface ModelState {
  readonly name: string;
  readonly state?: string;
}

async function states(port: number): Promise<readonly ModelState[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v2/repository/index`, { method: "POST" });
  return (await response.json()) as readonly ModelState[];
}

async function minor(python: string): Promise<string> {
  const { stdout } = await run(python, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
  return stdout.trim();
}

async function libraries(python: string): Promise<string> {
  const { stdout } = await run(python, ["-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"]);
  return stdout.trim();
}

async function versionAt(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v2`);
  return ((await response.json()) as { readonly version: string }).version;
}

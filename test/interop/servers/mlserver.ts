// The real MLServer 1.7.1 with the demo models over ONNX Runtime.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, type Venv, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON_ENV } from "./paths.ts";

export interface MlServer extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly grpc: number;
  readonly python: string;
}

/** `digits` (versions 1 and 2), `add_sub`, `echo` (any inputs, answered as they are) and `faulty`. */
export async function startMlServer(): Promise<MlServer | Missing> {
  const found = await venv("mlserver", {
    packages: [["mlserver==1.7.1", "uvloop<0.22", ONNX_RUNTIME]],
    check:
      "import mlserver, onnxruntime; assert (mlserver.__version__, onnxruntime.__version__) == ('1.7.1', '1.30.0')",
  });
  if (isMissing(found)) return found;
  const folder = await workFolder("mlserver");
  try {
    const running = await start(found, folder.path);
    return { ...running, close: () => running.close().then(folder.remove) };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

const tensor = (name: string, datatype: string, ...shape: number[]) => ({ name, datatype, shape });

const DIGITS = {
  name: "digits",
  implementation: "mlserver_models.OnnxModel",
  inputs: [tensor("image", "FP32", -1, 1, 8, 8)],
  outputs: [tensor("probabilities", "FP32", -1, 10), tensor("digit", "INT64", -1)],
};

const MODELS = [
  { ...DIGITS, parameters: { version: "1" } },
  { ...DIGITS, parameters: { version: "2" } },
  {
    name: "add_sub",
    implementation: "mlserver_models.OnnxModel",
    parameters: { version: "1" },
    inputs: ["INPUT0", "INPUT1"].map((name) => tensor(name, "INT32", -1, 16)),
    outputs: ["OUTPUT0", "OUTPUT1"].map((name) => tensor(name, "INT32", -1, 16)),
  },
  { name: "echo", implementation: "mlserver_models.Echo" },
  {
    name: "faulty",
    implementation: "mlserver_models.Faulty",
    inputs: [tensor("what", "INT32", -1)],
    outputs: [tensor("said", "INT32", -1)],
  },
];

async function start(found: Venv, folder: string): Promise<MlServer> {
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  // with debug, which is its default, a fault's answer is a traceback with the paths of the machine
  const settings = {
    debug: false,
    host: "127.0.0.1",
    http_port: http,
    grpc_port: grpc,
    metrics_port: metrics,
    parallel_workers: 0,
  };
  await writeFile(join(folder, "settings.json"), JSON.stringify(settings));
  for (const [index, model] of MODELS.entries()) {
    await mkdir(join(folder, `${index}`));
    await writeFile(join(folder, `${index}`, "model-settings.json"), JSON.stringify(model));
  }
  const running = await startServer({
    command: join(found.bin, "mlserver"),
    args: ["start", "."],
    cwd: folder,
    env: PYTHON_ENV,
    ready: answers(http, "/v2/health/ready"),
  });
  return { ...running, version: "1.7.1", http, grpc, python: found.python };
}

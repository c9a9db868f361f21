// A stand-in for TensorFlow Serving over real SavedModels, a real TensorFlow session and the real service's stubs; see
// python/tfs_standin.py for what of it is real.

import { execFile } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, type Venv, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

const run = promisify(execFile);

export interface TfServing extends RunningServer {
  /** Of the packages that hold TensorFlow and the service's messages. */
  readonly version: string;
  readonly http: number;
  readonly grpc: number;
  readonly python: string;
}

const VERSION = "2.21.0";

/** The environment that has TensorFlow and the service's messages. */
export function tfServingVenv(): Promise<Venv | Missing> {
  return venv("tf-serving", {
    packages: [
      [`tensorflow-cpu==${VERSION}`, "grpcio", ONNX_RUNTIME],
      ["--no-deps", `tensorflow-serving-api==${VERSION}`],
      ["ovmsclient"],
    ],
    check:
      "import importlib.metadata as m; assert m.version('tensorflow-serving-api') == '2.21.0'; m.version('onnxruntime')",
    timeoutMs: 400_000,
  });
}

/**
 * Serves the SavedModels of `python/tfs_models.py`, version 1 and 2 of `half_plus` under the labels `stable` and `canary`,
 * and the demo models that are named, over ONNX Runtime.
 */
export async function startTfServing(
  options: { readonly demo?: readonly string[] } = {},
): Promise<TfServing | Missing> {
  const found = await tfServingVenv();
  if (isMissing(found)) return found;
  const [http = 0, grpc = 0] = await freePorts(2);
  const folder = await workFolder("tf-serving");
  const models = join(folder.path, "models");
  try {
    await mkdir(models);
    await run(found.python, [join(PYTHON, "tfs_models.py"), models], { timeout: 120_000 });
    await writeFile(join(models, "half_plus/labels.json"), '{"stable": 1, "canary": 2}');
    for (const name of options.demo ?? []) {
      await cp(join(PYTHON_ENV.SLUICE_MODELS ?? "", name), join(models, name), { recursive: true });
    }
    const running = await startServer({
      command: found.python,
      args: [join(PYTHON, "tfs_standin.py"), models, `${http}`, `${grpc}`],
      cwd: folder.path,
      env: PYTHON_ENV,
      ready: answers(http, "/v1/models/echo"),
      timeoutMs: 120_000,
    });
    return {
      ...running,
      version: VERSION,
      http,
      grpc,
      python: found.python,
      close: () => running.close().then(folder.remove),
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

// The real LitServe 0.2.19 with the demo models over ONNX Runtime.

import { join } from "node:path";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

export interface LitServe extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly python: string;
}

export interface LitServeOptions {
  /** Every question needs it in `X-API-Key`. */
  readonly apiKey?: string;
  /** An ONNX file to serve alone, by `python/litserve_batched.py`; absent, the paths of `python/litserve_server.py`. */
  readonly batched?: string;
}

/** A LitServe on a port of its own. */
export async function startLitServe(options: LitServeOptions = {}): Promise<LitServe | Missing> {
  const found = await venv("litserve", {
    packages: [["litserve==0.2.19", "numpy", ONNX_RUNTIME]],
    check:
      "import litserve, onnxruntime; assert (litserve.__version__, onnxruntime.__version__) == ('0.2.19', '1.30.0')",
  });
  if (isMissing(found)) return found;
  const [http = 0] = await freePorts(1);
  const folder = await workFolder("litserve");
  const { batched } = options;
  const usual = [join(PYTHON, "litserve_server.py"), `${http}`];
  const key = options.apiKey === undefined ? {} : { LIT_SERVER_API_KEY: options.apiKey };
  const headers = options.apiKey === undefined ? {} : { "x-api-key": options.apiKey };
  try {
    const running = await startServer({
      command: found.python,
      args: batched === undefined ? usual : [join(PYTHON, "litserve_batched.py"), `${http}`, batched],
      cwd: folder.path,
      env: { ...PYTHON_ENV, ...key },
      ready: answers(http, "/health", { headers }),
      timeoutMs: 120_000,
    });
    return {
      ...running,
      version: "0.2.19",
      http,
      python: found.python,
      close: () => running.close().then(folder.remove),
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

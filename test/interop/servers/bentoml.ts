// The real BentoML 1.4.39 with the demo models over ONNX Runtime.

import { join } from "node:path";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

export interface BentoMl extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly python: string;
}

export interface BentoMlOptions {
  /** An ONNX file to serve alone, by `python/bentoml_batched.py`; absent, the APIs of `python/bentoml_server.py`. */
  readonly batched?: string;
  /** Serves `python/bentoml_datatypes.py` instead. */
  readonly datatypes?: boolean;
}

export async function startBentoMl({ batched, datatypes }: BentoMlOptions = {}): Promise<BentoMl | Missing> {
  const found = await venv("bentoml", {
    packages: [["bentoml==1.4.39", "numpy", ONNX_RUNTIME]],
    check: "import bentoml, onnxruntime; assert (bentoml.__version__, onnxruntime.__version__) == ('1.4.39', '1.30.0')",
  });
  if (isMissing(found)) return found;
  const [http = 0] = await freePorts(1);
  const folder = await workFolder("bentoml");
  const usual = datatypes === true ? "bentoml_datatypes:Datatypes" : "bentoml_server:Demo";
  const service = batched === undefined ? usual : "bentoml_batched:Batched";
  try {
    const running = await startServer({
      command: join(found.bin, "bentoml"),
      args: [...["serve", service, "--host", "127.0.0.1", "-p", `${http}`], ...["--working-dir", PYTHON]],
      cwd: folder.path,
      env: {
        ...PYTHON_ENV,
        PATH: `${found.bin}:${process.env.PATH}`,
        BENTOML_DO_NOT_TRACK: "True",
        BENTOML_HOME: folder.path,
        ...(batched === undefined ? {} : { MODEL: batched }),
      },
      ready: answers(http, "/readyz"),
    });
    const close = () => running.close().then(folder.remove);
    return { ...running, version: "1.4.39", http, python: found.python, close };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

// A real Flask service with the demo models over ONNX Runtime: what people write before there is a server.

import { join } from "node:path";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer } from "../support/server.ts";
import { isMissing, type Missing, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

export interface Flask extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly python: string;
}

/** The paths of `python/flask_server.py`, SageMaker's container contract among them. */
export async function startFlask(): Promise<Flask | Missing> {
  const found = await venv("flask", {
    packages: [["flask==3.1.3", "numpy", ONNX_RUNTIME]],
    check:
      "from importlib.metadata import version; import flask, numpy; assert (version('flask'), version('onnxruntime')) == ('3.1.3', '1.30.0')",
  });
  if (isMissing(found)) return found;
  const [http = 0] = await freePorts(1);
  const running = await startServer({
    command: found.python,
    args: [join(PYTHON, "flask_server.py"), `${http}`],
    env: PYTHON_ENV,
    ready: answers(http, "/health"),
  });
  return { ...running, version: "3.1.3", http, python: found.python };
}

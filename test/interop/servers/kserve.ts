// The real KServe 0.21 model server with the demo models over ONNX Runtime.

import { join } from "node:path";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer } from "../support/server.ts";
import { isMissing, type Missing, venv } from "../support/venv.ts";
import { ONNX_RUNTIME, PYTHON, PYTHON_ENV } from "./paths.ts";

export interface KServe extends RunningServer {
  readonly version: string;
  readonly http: number;
  readonly grpc: number;
  readonly python: string;
}

/** The models of `python/kserve_server.py`, over v1, v2 and gRPC. */
export async function startKServe(): Promise<KServe | Missing> {
  const found = await venv("kserve", {
    packages: [["kserve==0.21.0", ONNX_RUNTIME]],
    check:
      "from importlib.metadata import version; import kserve; assert (version('kserve'), version('onnxruntime')) == ('0.21.0', '1.30.0')",
  });
  if (isMissing(found)) return found;
  const [http = 0, grpc = 0] = await freePorts(2);
  const running = await startServer({
    command: found.python,
    args: [join(PYTHON, "kserve_server.py"), `${http}`, `${grpc}`],
    env: PYTHON_ENV,
    ready: answers(http, "/v2/models/digits/ready"),
  });
  return { ...running, version: "0.21.0", http, grpc, python: found.python };
}

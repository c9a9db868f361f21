// Where the launchers of real servers find their Python and the demo models.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const SERVERS = fileURLToPath(new URL(".", import.meta.url));

/** Python that servers import. */
export const PYTHON = join(SERVERS, "python");

/** What the servers' Python needs in its environment: the demo models, and their common code on the path. */
export const PYTHON_ENV: Readonly<Record<string, string>> = {
  SLUICE_MODELS: fileURLToPath(new URL("../../../models", import.meta.url)),
  PYTHONPATH: PYTHON,
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONUNBUFFERED: "1",
};

/** The version of ONNX Runtime in every server: that of onnxruntime-node here, so that answers are equal bit by bit. */
export const ONNX_RUNTIME = "onnxruntime==1.30.0";

// TensorFlow Serving's real clients (the stubs of tensorflow-serving-api, ovmsclient) against a gateway: with the demo models, and
// with a backend of TensorFlow's own.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startDemo } from "../support/gateway-demo.ts";
import { startTfServing, tfServingVenv } from "./servers/tf-serving.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("tfs_client_checks.py", import.meta.url));

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function reportOf(python: string, gateway: TestGateway, models: string): Promise<Checked["report"]> {
  const args = [SCRIPT, `127.0.0.1:${gateway.port}`, `127.0.0.1:${gateway.grpcPort}`, models];
  const { stdout } = await run(python, args, { timeout: 90_000, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" } });
  return JSON.parse(stdout) as Checked["report"];
}

const ONNX = [
  "deadline",
  "errors",
  "large",
  "last_value_repeats",
  "metadata",
  "ovmsclient_grpc",
  "ovmsclient_http",
  "predict",
  "rest_rows",
  "rest_status",
  "strings",
  "versions",
];

async function checkOnnx(): Promise<Checked | Missing> {
  const found = await tfServingVenv();
  if (isMissing(found)) return found;
  const gateway = await startDemo();
  return { report: await reportOf(found.python, gateway, "onnx"), close: () => gateway.close() };
}

realServer("tf-serving", checkOnnx, (checked) => {
  test.for(ONNX)("TensorFlow Serving's clients find local ONNX models in order: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(ONNX.map((name) => `check_${name}`));
  });
});

const TENSORFLOW = ["every_datatype", "labels", "rest_bytes", "rest_tasks", "signatures", "tasks"];

async function checkTensorFlow(): Promise<Checked | Missing> {
  const server = await startTfServing();
  if (isMissing(server)) return server;
  const url = `http://127.0.0.1:${server.grpc}`;
  const gateway = await startGateway({
    yaml: `backends: {tf: {kind: tf-serving, protocol: grpc, endpoints: ["${url}"]}}
models:
  echo: {backend: tf}
  twin: {backend: tf}
  half_plus: {backend: tf, labels: {stable: "1", canary: "2"}}
`,
    kinds: backendKinds,
  });
  const report = await reportOf(server.python, gateway, "tensorflow");
  return {
    report,
    async close() {
      await gateway.close();
      await server.close();
    },
  };
}

realServer("tf-serving", checkTensorFlow, (checked) => {
  test.for(TENSORFLOW)("they find TensorFlow's own models behind the gateway in order: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(TENSORFLOW.map((name) => `check_${name}`));
  });
});

// Triton's extensions asked for by Triton's own Python clients, HTTP and gRPC. Skipped where they cannot be installed.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway } from "../support/gateway.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("triton_extensions_checks.py", import.meta.url));

const CHECKS = [
  "extensions",
  "config",
  "statistics",
  "repository",
  "classification",
  "log_settings",
  "trace_settings",
  "sequence",
  "shared_memory",
];

type Report = Readonly<Record<string, string>>;

interface Checked {
  readonly http: Report;
  readonly grpc: Report;
  close(): Promise<void>;
}

async function check(): Promise<Checked | Missing> {
  const client = await venv("tritonclient-extensions", {
    packages: [["tritonclient[http,grpc]", "numpy"]],
    check: "import numpy, tritonclient.http, tritonclient.grpc, tritonclient.utils.shared_memory",
  });
  if (isMissing(client)) return client;
  const yaml =
    "triton: {control: true, sharedMemory: true}\nbackends: {local: {kind: onnx, repository: ./models, workers: 1}}";
  const gateway = await startGateway({ yaml, kinds: backendKinds });
  const ask = async (protocol: string, port: number) => {
    const { stdout } = await run(client.python, [SCRIPT, protocol, `127.0.0.1:${port}`], { timeout: 60_000 });
    return JSON.parse(stdout) as Report;
  };
  const http = await ask("http", gateway.port);
  const grpc = await ask("grpc", gateway.grpcPort);
  return { http, grpc, close: () => gateway.close() };
}

realServer("tritonclient's extensions", check, (checked) => {
  test.for(CHECKS)("tritonclient over HTTP finds in order: %s", (name) => {
    expect(checked().http[`check_${name}`]).toBe("ok");
  });

  test.for(CHECKS)("tritonclient over gRPC finds in order: %s", (name) => {
    expect(checked().grpc[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().http).sort()).toEqual(CHECKS.map((name) => `check_${name}`).sort());
  });
});

// Triton's own Python client over gRPC, and gRPC's own health and reflection clients, against a gateway with the demo models.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startDemo } from "../support/gateway-demo.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("tritonclient_grpc_checks.py", import.meta.url));

const CHECKS = [
  "health",
  "metadata",
  "infer",
  "outputs_in_the_order_asked_for",
  "infer_with_a_callback",
  "options",
  "compression",
  "bytes",
  "large",
  "no_rows",
  "errors",
  "deadline",
  "index",
  "stream",
  "stream_that_ends_with_a_status",
  "cancelled_stream",
  "aio",
  "health_service",
  "reflection",
];

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function check(): Promise<Checked | Missing> {
  const client = await venv("tritonclient-grpc", {
    packages: [["tritonclient[grpc]", "numpy", "grpcio-health-checking", "grpcio-reflection"]],
    check: "import numpy, tritonclient.grpc, grpc_health.v1.health_pb2, grpc_reflection.v1alpha.reflection",
  });
  if (isMissing(client)) return client;
  const gateway = await startDemo();
  const { stdout } = await run(client.python, [SCRIPT, `127.0.0.1:${gateway.grpcPort}`], { timeout: 100_000 });
  return { report: JSON.parse(stdout) as Readonly<Record<string, string>>, close: () => gateway.close() };
}

realServer("tritonclient over gRPC", check, (checked) => {
  test.for(CHECKS)("tritonclient finds in order over gRPC: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(CHECKS.map((name) => `check_${name}`).sort());
  });
});

// Triton's own Python client against a gateway with the demo models. Skipped where the client cannot be installed.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startDemo } from "../support/gateway-demo.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("tritonclient_checks.py", import.meta.url));

const CHECKS = [
  "health",
  "server_metadata",
  "model_metadata",
  "infer_binary_by_default",
  "infer_json",
  "infer_mixed",
  "infer_asynchronously",
  "aio",
  "options",
  "compression",
  "bytes",
  "not_a_number",
  "no_rows",
  "errors",
];

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function check(): Promise<Checked | Missing> {
  const client = await venv("tritonclient", {
    packages: [["tritonclient[http]", "numpy"]],
    check: "import numpy, tritonclient.http.aio",
  });
  if (isMissing(client)) return client;
  const gateway = await startDemo();
  const { stdout } = await run(client.python, [SCRIPT, `127.0.0.1:${gateway.port}`], { timeout: 60_000 });
  return { report: JSON.parse(stdout) as Readonly<Record<string, string>>, close: () => gateway.close() };
}

realServer("tritonclient", check, (checked) => {
  test.for(CHECKS)("tritonclient finds in order: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(CHECKS.map((name) => `check_${name}`).sort());
  });
});

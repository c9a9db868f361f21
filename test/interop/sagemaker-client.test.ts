// AWS's own Python client against a gateway with the demo models, its signatures verified. Skipped where it cannot be installed.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway } from "../support/gateway.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("sagemaker_client_checks.py", import.meta.url));

const CHECKS = [
  "json",
  "csv",
  "json_lines",
  "accept",
  "no_content_type",
  "file_body",
  "variant_and_target",
  "stream",
  "errors",
  "signature",
];

const CONFIG = `
backends: {local: {kind: onnx, repository: ./models}}
sagemaker: {region: eu-central-1, keys: [{accessKeyId: AKIDEXAMPLE, secretAccessKey: s3cret}]}
models:
  iris: {backend: local, endpoint: iris-prod}
  digits: {backend: local}
`;

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function check(): Promise<Checked | Missing> {
  const client = await venv("boto3", { packages: [["boto3"]], check: "import boto3, botocore.eventstream" });
  if (isMissing(client)) return client;
  const gateway = await startGateway({ yaml: CONFIG, kinds: backendKinds });
  const { stdout } = await run(client.python, [SCRIPT, `127.0.0.1:${gateway.port}`], { timeout: 60_000 });
  return { report: JSON.parse(stdout) as Readonly<Record<string, string>>, close: () => gateway.close() };
}

realServer("sagemaker", check, (checked) => {
  test.for(CHECKS)("boto3 finds in order: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(CHECKS.map((name) => `check_${name}`).sort());
  });
});

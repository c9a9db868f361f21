// Triton's own Python client against a gateway with the demo models. Skipped where the client cannot be installed.

import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "../support/gateway.ts";
import { startDemo } from "../support/gateway-demo.ts";

const run = promisify(execFile);
const VENV = join(homedir(), ".cache/sluice/venvs/tritonclient");
const PYTHON = join(VENV, "bin/python");
const SCRIPT = fileURLToPath(new URL("tritonclient_checks.py", import.meta.url));

const CHECKS = [
  "health",
  "server_metadata",
  "model_metadata",
  "infer_binary_by_default",
  "infer_json",
  "infer_mixed",
  "infer_asynchronously",
  "options",
  "compression",
  "bytes",
  "not_a_number",
  "no_rows",
  "errors",
];

let gateway: TestGateway | undefined;
/** What each check came to; why there is none, as text. */
let report: Readonly<Record<string, string>> | string;

/** Why the client is not there; undefined when it is. */
async function install(): Promise<string | undefined> {
  const isThere = () => run(PYTHON, ["-c", "import numpy, tritonclient.http"]);
  try {
    await isThere();
    return undefined;
  } catch {
    // not installed yet
  }
  try {
    await run("python3", ["-m", "venv", VENV], { timeout: 60_000 });
    const pip = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10"];
    await run(PYTHON, [...pip, "tritonclient[http]", "numpy"], { timeout: 150_000 });
    await isThere();
    return undefined;
  } catch (error) {
    return `tritonclient cannot be installed: ${(error as Error).message.split("\n")[0]}`;
  }
}

beforeAll(async () => {
  const missing = await install();
  if (missing !== undefined) {
    report = missing;
    return;
  }
  gateway = await startDemo();
  const { stdout } = await run(PYTHON, [SCRIPT, `127.0.0.1:${gateway.port}`], { timeout: 60_000 });
  report = JSON.parse(stdout) as Readonly<Record<string, string>>;
}, 240_000);

afterAll(() => gateway?.close());

test.for(CHECKS)("tritonclient finds in order: %s", (check, { skip }) => {
  if (typeof report === "string") return skip(report);
  expect(report[`check_${check}`]).toBe("ok");
});

test("every check of the script is listed here", ({ skip }) => {
  if (typeof report === "string") return skip(report);
  expect(Object.keys(report).sort()).toEqual(CHECKS.map((check) => `check_${check}`).sort());
});

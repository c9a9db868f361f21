// KServe's own REST client, with its V1 protocol and CloudEvents, against a gateway with the demo models.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startDemo } from "../support/gateway-demo.ts";
import { ONNX_RUNTIME } from "./servers/paths.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("kserve_v1_client_checks.py", import.meta.url));

const CHECKS = ["bare_rows", "cloud_events", "errors", "health", "list", "predict", "strings"];

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function check(): Promise<Checked | Missing> {
  const found = await venv("kserve", {
    packages: [["kserve==0.21.0", ONNX_RUNTIME]],
    check: "from importlib.metadata import version; import kserve; assert version('kserve') == '0.21.0'",
  });
  if (isMissing(found)) return found;
  const gateway = await startDemo();
  const { stdout } = await run(found.python, [SCRIPT, `127.0.0.1:${gateway.port}`], { timeout: 60_000 });
  return { report: JSON.parse(stdout) as Checked["report"], close: () => gateway.close() };
}

realServer("kserve", check, (checked) => {
  test.for(CHECKS)("KServe's client finds the V1 protocol in order: %s", (name) => {
    expect(checked().report[`check_${name}`]).toBe("ok");
  });

  test("every check of the script is listed here", () => {
    expect(Object.keys(checked().report).sort()).toEqual(CHECKS.map((name) => `check_${name}`));
  });
});

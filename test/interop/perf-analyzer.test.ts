// NVIDIA's perf_analyzer, which aborts on statistics that do not add up, against the demo models. Skipped where it cannot be had.

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { TestGateway } from "../support/gateway.ts";
import { startDemo } from "../support/gateway-demo.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, venv } from "./support/venv.ts";

const run = promisify(execFile);

interface Analyzer {
  readonly gateway: TestGateway;
  /** Loads a model and gives what is printed. */
  load(words: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

async function open(): Promise<Analyzer | Missing> {
  const found = await venv("perf-analyzer", {
    packages: [["tritonclient[all]==2.49.0", "nvidia-cuda-runtime-cu12"]],
    check: "import tritonclient.http",
    timeoutMs: 300_000,
  });
  if (isMissing(found)) return found;
  const program = join(found.bin, "perf_analyzer");
  const env = { ...process.env, LD_LIBRARY_PATH: libraries(found.sitePackages) };
  const { stdout } = await run("ldd", [program], { env });
  const lacks = stdout.split("\n").find((line) => line.includes("not found"));
  // Debian's package libb64-0d has the one that is not in the wheel
  if (lacks !== undefined) return { missing: `perf_analyzer lacks a library: ${lacks.trim()}` };
  const gateway = await startDemo(", workers: 1");
  return {
    gateway,
    async load(words) {
      const short = ["-p", "500", "-s", "95", "-r", "6", "--concurrency-range", "2", ...words];
      return (await run(program, short, { env, timeout: 50_000 })).stdout;
    },
    close: () => gateway.close(),
  };
}

function libraries(sitePackages: string): string {
  const own = join(sitePackages, "nvidia/cuda_runtime/lib");
  const given = process.env.LD_LIBRARY_PATH ?? "";
  return readdirSync(own).length === 0 || given === "" ? own : `${own}:${given}`;
}

realServer("perf_analyzer", open, (analyzer) => {
  test.for([
    ["http", "iris", []],
    ["grpc", "add_sub", []],
    ["http", "language", ["--shape", "text:1"]],
  ] as const)(
    "perf_analyzer -i %s loads %s, and the server's counts are the client's",
    async ([protocol, model, more]) => {
      const { gateway, load } = analyzer();
      const port = protocol === "http" ? gateway.port : gateway.grpcPort;
      const said = await load(["-m", model, "-u", `127.0.0.1:${port}`, "-i", protocol, ...more]);
      const count = (words: string) => Number(new RegExp(`${words}: (\\d+)`).exec(said)?.[1]);
      expect(count("Successful request count"), said).toBeGreaterThan(0);
      expect(count("Inference count")).toBe(count("Successful request count"));
      expect(count("Execution count")).toBe(count("Inference count"));
      // the client counts in its windows what the server counts around them
      expect(count("Successful request count")).toBeGreaterThanOrEqual(count("Request count") - 2);
      expect(said).toMatch(/compute infer [1-9]\d* usec/);
    },
  );
});

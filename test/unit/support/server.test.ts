// The launcher of real servers: whatever happens to the test, nothing of a server is left behind.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { freePorts } from "../../interop/support/ports.ts";
import { startServer } from "../../interop/support/server.ts";
import { until } from "../../support/http-client.ts";

const LAUNCHER = fileURLToPath(new URL("../../interop/support/server.ts", import.meta.url));
const TWO = "echo started; sleep 300 & sleep 300";
const DEAF = `trap '' TERM; ${TWO}`;

/** Whether any process of the group is left that is not merely waiting to be reaped. */
async function isThere(group: number): Promise<boolean> {
  const ps = spawn("ps", ["-o", "stat=", "-g", `${group}`]);
  let text = "";
  ps.stdout.on("data", (data) => {
    text += data;
  });
  await once(ps, "close");
  return text.split("\n").some((state) => state !== "" && !state.startsWith("Z"));
}

const start = (script: string, ready = async () => true) =>
  startServer({ command: "bash", args: ["-c", script], ready, timeoutMs: 5_000, graceTenths: 5 });

describe("a server", () => {
  test("ends with all of its processes when it is closed", async () => {
    const server = await start(TWO);
    await until(() => server.log().includes("started"));
    expect(await isThere(server.pid)).toBe(true);
    expect(await server.memoryBytes()).toBeGreaterThan(2 ** 20);
    await server.close();
    expect(await isThere(server.pid)).toBe(false);
  });

  test("that does not heed TERM is made to end", async () => {
    const server = await start(DEAF);
    await until(() => server.log().includes("started"));
    await server.close();
    expect(await isThere(server.pid)).toBe(false);
  });

  test("ends when the process that started it is killed", async () => {
    const script = `
      const { startServer } = await import(${JSON.stringify(LAUNCHER)});
      const server = await startServer({ command: "bash", args: ["-c", ${JSON.stringify(TWO)}], ready: async () => true });
      process.stdout.write(String(server.pid) + "\\n");
    `;
    const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await once(child.stdout!, "data")) as [Buffer];
    expect(await isThere(Number(said))).toBe(true);
    child.kill("SIGKILL");
    await until(async () => !(await isThere(Number(said))));
  });

  test("that ends by itself, or is never ready, is told with the end of its log", async () => {
    await expect(start("echo no such model; exit 3", async () => false)).rejects.toThrow(
      /ended before[\s\S]*no such model/,
    );
    const never = startServer({ command: "sleep", args: ["300"], ready: async () => false, timeoutMs: 50 });
    await expect(never).rejects.toThrow("sleep is not ready in time");
  });
});

test("ports are different, and free", async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
});

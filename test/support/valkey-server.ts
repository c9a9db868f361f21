// A real Valkey or Redis server of a test's own, on a free port of loopback, without files.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";

export interface ValkeyServer {
  readonly url: string;
  /** It does nothing any longer, and its connections stay. */
  pause(): void;
  resume(): void;
  /** Ends it at once; all that it kept is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

const PROGRAM = ["valkey-server", "redis-server"].find((name) => spawnSync(name, ["--version"]).status === 0);

/**
 * Whether this machine has such a server (Debian: `apt-get install redis-server`). Without one the tests skip, but where
 * `SLUICE_INTEROP` names the store they fail.
 */
export const hasValkey = PROGRAM !== undefined;

if (!hasValkey && (process.env.SLUICE_INTEROP ?? "").split(/[\s,]+/).includes("store")) {
  throw new Error("the shared store must be tested here, but there is no valkey-server and no redis-server");
}

/** @param settings beside those that keep it small, such as `["--maxmemory", "3mb"]` */
export async function startValkey(settings: readonly string[] = []): Promise<ValkeyServer> {
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async () => {
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", ...settings];
    const started = spawn(PROGRAM ?? "valkey-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    child = started;
    await new Promise<void>((resolve, reject) => {
      let said = "";
      started.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
      started.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (/ready to accept connections/i.test(said)) resolve();
      });
    });
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    pause: () => child?.kill("SIGSTOP"),
    resume: () => child?.kill("SIGCONT"),
    async kill() {
      const ended = child;
      child = undefined;
      if (ended === undefined) return;
      const gone = new Promise((resolve) => ended.once("exit", resolve));
      ended.kill("SIGKILL");
      await gone;
    },
    start,
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

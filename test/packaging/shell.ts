// Runs commands as a user's shell would, away from this repository's own tools.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { ROOT } from "./files.ts";

/** Where a command runs. */
export interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What came of a command. */
export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What npm says of its own place to the scripts that it runs; a user's shell has none of it but these. */
const KEPT: ReadonlySet<string> = new Set(["npm_config_registry", "npm_config_cache", "npm_config_userconfig"]);

/**
 * The environment of a user who has not heard of this repository: the system's Node first on the path, and what the
 * README tells to set where ONNX Runtime must not download CUDA.
 */
export function userEnv(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string | undefined>> {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_|VITEST|NODE_(ENV|OPTIONS|PATH|V8)|SLUICE_|INIT_CWD$|TEST$|DEV$|PROD$|MODE$)/i.test(name) ||
      KEPT.has(name),
  );
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  return { ...Object.fromEntries(kept), ONNXRUNTIME_NODE_INSTALL: "skip", PATH: path.join(delimiter), ...more };
}

/** The path with Node 26 first, as in an image that has it. */
export function modernPath(): string {
  return [join(ROOT, "node_modules", "node", "bin"), userEnv().PATH].join(delimiter);
}

/** A command that runs until it is told to stop. */
export interface Running {
  /** All that it has printed so far. */
  readonly text: () => Result;
  /** @throws Error with what was printed when it ends, or `withinMs` pass, before its output matches */
  until(pattern: RegExp, withinMs: number): Promise<RegExpExecArray>;
  /** Sends the signal to the command alone, and waits for its end. */
  stop(signal: NodeJS.Signals): Promise<Result>;
  /** Ends it and all that it has started, whatever became of it. */
  kill(): void;
}

/** Starts a line of shell in a process group of its own. */
export function start(line: string, place: Place): Running {
  const child = spawn("sh", ["-c", `exec ${line}`], { ...place, env: { ...place.env }, detached: true });
  let out = "";
  let err = "";
  let ended = false;
  // not "close": a grandchild that is left behind would hold the pipes open
  const closed = once(child, "exit").then(() => {
    ended = true;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const text = () => ({ code: child.exitCode, out, err });
  return {
    text,
    async until(pattern, withinMs) {
      const limit = performance.now() + withinMs;
      for (;;) {
        const found = pattern.exec(out);
        if (found !== null) return found;
        if (ended || performance.now() > limit)
          throw new Error(`expected ${line} to print ${pattern}, got\n${out}${err}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async stop(signal) {
      child.kill(signal);
      await closed;
      return text();
    },
    kill: () => killGroup(child, ended),
  };
}

function killGroup(child: ChildProcess, ended: boolean): void {
  if (ended || child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it ended in between
  }
}

/** Runs a line of shell to its end. */
export async function run(line: string, place: Place): Promise<Result> {
  const child = spawn("sh", ["-c", line], { ...place, env: { ...place.env } });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  await once(child, "close");
  return { code: child.exitCode, out, err };
}

/** Runs a line of shell that must succeed, and gives what it printed. @throws Error with all output when it does not */
export async function must(line: string, place: Place): Promise<string> {
  const { code, out, err } = await run(line, place);
  if (code !== 0) throw new Error(`${line}: expected exit code 0, got ${code}\n${out}${err}`);
  return out;
}

/** What a line that begins with curl prints; a machine without curl gets the same request by other means. */
export async function paste(line: string, place: Place): Promise<string> {
  const { code } = await run("command -v curl", place);
  if (code === 0) return must(line, place);
  const words = (await must(line.replace("curl", "printf '%s\\0'"), place)).split("\0").slice(0, -1);
  const [silent, url, headerFlag, header, dataFlag, body] = words;
  if (words.length !== 6 || `${silent} ${headerFlag} ${dataFlag}` !== "-s -H -d") {
    throw new Error(`expected curl -s URL -H HEADER -d BODY, got ${line}`);
  }
  const [name = "", value = ""] = (header ?? "").split(": ");
  return (await fetch(url ?? "", { method: "POST", headers: { [name]: value }, body: body ?? "" })).text();
}

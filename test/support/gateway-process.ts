// `sluice serve` as a process of its own, with a config and a model folder of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./gateway.ts";
import { until } from "./http-client.ts";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface ServeProcess {
  readonly child: ChildProcess;
  /** Where it listens, once it has said so. Rejects when it ends before. */
  ports(): Promise<{ readonly http: number; readonly admin: number }>;
  readonly ended: Promise<Ended>;
}

export interface Workplace {
  /** For model folders: it and all in it are removed by `clear`. */
  readonly folder: string;
  /** Copies a demo model, `digits/1`, or a fixture, `slow.onnx`, to a path in the folder. */
  copy(from: string, to: string): Promise<void>;
  /** Starts `sluice serve` with this config; `listen` is added. */
  serve(yaml: string): Promise<ServeProcess>;
  /** Ends what still runs. */
  clear(): Promise<void>;
}

export async function openWorkplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-gateway-"));
  const children: ChildProcess[] = [];
  return {
    folder,
    async copy(from, to) {
      const source = from.endsWith(".onnx") ? `test/fixtures/onnx/${from}` : `models/${from}`;
      await cp(join(ROOT, source), join(folder, to), { recursive: true });
    },
    async serve(yaml) {
      const file = join(folder, `sluice-${children.length}.yaml`);
      const listen = yaml.includes("listen:") ? "" : 'listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\n';
      await writeFile(file, `${listen}${yaml}`);
      const child = spawn(process.execPath, [join(ROOT, "bin/sluice.js"), "serve", "--config", file], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      children.push(child);
      return watched(child);
    },
    async clear() {
      for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function watched(child: ChildProcess): ServeProcess {
  const texts = { out: "", err: "" };
  child.stdout?.on("data", (data) => {
    texts.out += data;
  });
  child.stderr?.on("data", (data) => {
    texts.err += data;
  });
  const ended = once(child, "close").then(([code, signal]): Ended => ({ code, signal, ...texts }));
  return {
    child,
    ended,
    async ports() {
      await until(() => /\/readyz/.test(texts.out) || child.exitCode !== null, 20_000);
      const [, http] = /at http:\/\/127\.0\.0\.1:(\d+)/.exec(texts.out) ?? [];
      const [, admin] = /http:\/\/127\.0\.0\.1:(\d+)\/readyz/.exec(texts.out) ?? [];
      if (http === undefined || admin === undefined) throw new Error(`serve said: ${texts.out}${texts.err}`);
      return { http: Number(http), admin: Number(admin) };
    },
  };
}

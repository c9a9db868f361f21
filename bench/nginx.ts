// nginx as a proxy of the same stubs, where it is installed: one worker on the gateway's core, with connections kept.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../test/interop/support/ports.ts";
import { canPin, SERVER_CORE } from "./programs.ts";

export interface Nginx {
  /** In the order of the stubs. */
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

export interface Proxied {
  readonly over: "http" | "grpc";
  readonly port: number;
}

export function hasNginx(): boolean {
  return spawnSync("nginx", ["-v"]).status === 0;
}

const READY_TRIES = 100;
const READY_MS = 50;
const MANY = 1_000_000_000;

/** One line a request goes to its access log, as to the gateway's. */
export async function startNginx(stubs: readonly Proxied[]): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-nginx-"));
  const ports = await freePorts(stubs.length);
  const file = join(folder, "nginx.conf");
  writeFileSync(file, configOf(folder, stubs, ports));
  const command = ["nginx", "-p", folder, "-c", file, "-e", "/dev/null"];
  const [program = "", ...args] = canPin() ? ["taskset", "-c", String(SERVER_CORE), ...command] : command;
  const child = spawn(program, args, { stdio: "ignore" });
  const stop = () => end(child).finally(() => rmSync(folder, { recursive: true, force: true }));
  try {
    for (const port of ports) await listening(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ports, stop };
}

function configOf(folder: string, stubs: readonly Proxied[], ports: readonly number[]): string {
  const servers = stubs.map(({ over, port }, i) => {
    const pass = over === "http" ? `proxy_pass http://stub${i};` : `grpc_pass grpc://stub${i};`;
    return `
  upstream stub${i} { server 127.0.0.1:${port}; keepalive 128; keepalive_requests ${MANY}; }
  server {
    listen 127.0.0.1:${ports[i]}${over === "grpc" ? " http2" : ""};
    location / { ${pass} proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`;
  });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  // a worker of another user could not reach the folder
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `${user}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log ${folder}/access.log;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  keepalive_requests ${MANY};
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  proxy_buffers 64 16k;
${servers.join("\n")}
}
`;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < READY_TRIES; tries += 1) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(socket.destroy() !== undefined));
      socket.once("error", () => resolve(false));
    });
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, READY_MS));
  }
  throw new Error(`nginx does not listen on port ${port}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

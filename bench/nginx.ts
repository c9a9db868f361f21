// nginx as a proxy of the same stubs, where it is installed: one worker on the gateway's core, with connections kept.

import { spawnSync } from "node:child_process";
import { freePorts } from "../test/interop/support/ports.ts";
import { type Launched, launch } from "./launched.ts";

export interface Proxied {
  readonly over: "http" | "grpc";
  readonly port: number;
}

export function hasNginx(): boolean {
  return spawnSync("nginx", ["-v"]).status === 0;
}

const MANY = 1_000_000_000;

/** Listens on a port for each stub, in their order. One line a request goes to its access log, as to the gateway's. */
export async function startNginx(stubs: readonly Proxied[]): Promise<Launched> {
  const ports = await freePorts(stubs.length);
  return launchNginx(ports, serversOf(stubs, ports));
}

/** @param servers what stands inside `http` */
export function launchNginx(ports: readonly number[], servers: string): Promise<Launched> {
  return launch({
    name: "nginx",
    ports,
    config: (folder) => configOf(folder, servers),
    command: (folder, file) => ["nginx", "-p", folder, "-c", file, "-e", "/dev/null"],
  });
}

function serversOf(stubs: readonly Proxied[], ports: readonly number[]): string {
  const servers = stubs.map(({ over, port }, i) => {
    const pass = over === "http" ? `proxy_pass http://stub${i};` : `grpc_pass grpc://stub${i};`;
    return `
  upstream stub${i} { server 127.0.0.1:${port}; keepalive 128; keepalive_requests ${MANY}; }
  server {
    listen 127.0.0.1:${ports[i]}${over === "grpc" ? " http2" : ""};
    location / { ${pass} proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`;
  });
  return servers.join("\n");
}

function configOf(folder: string, servers: string): string {
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
${servers}
}
`;
}

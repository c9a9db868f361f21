// nginx and HAProxy before the same endpoints as the gateway, each with the words that a figure compares.

import { spawnSync } from "node:child_process";
import { freePorts } from "../test/interop/support/ports.ts";
import { type Launched, launch } from "./launched.ts";
import { hasNginx, launchNginx } from "./nginx.ts";

export interface NginxWords {
  /** Beside the servers of `upstream`, in `server`, and in `http`; each ends by a semicolon. */
  readonly upstream?: string;
  readonly server?: string;
  readonly http?: string;
}

export interface HaproxyWords {
  /** Lines of the backend. */
  readonly backend: readonly string[];
  /** Behind each server. */
  readonly server?: string;
}

/** Connections that nginx keeps to the endpoints, idle ones. */
const KEPT = 512;
const MANY = 1_000_000_000;
/** Of HAProxy, which wants two open files for each. */
const CONNECTIONS = 8192;

export interface Peer {
  readonly name: string;
  readonly program: "nginx" | "HAProxy";
  /** @param endpoints the ports of the servers behind it */
  start(endpoints: readonly number[]): Promise<Launched>;
}

export function nginxPeer(name: string, { upstream = "", server = "", http = "" }: NginxWords): Peer {
  return {
    name,
    program: "nginx",
    async start(endpoints) {
      const ports = await freePorts(1);
      const servers = endpoints.map((port) => `server 127.0.0.1:${port};`).join(" ");
      const text = `
  ${http}
  upstream all { ${upstream} ${servers} keepalive ${KEPT}; keepalive_requests ${MANY}; }
  server {
    listen 127.0.0.1:${ports[0]} backlog=4096;
    ${server}
    location / { proxy_pass http://all; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`;
      return launchNginx(ports, text);
    },
  };
}

export function haproxyPeer(name: string, { backend, server = "" }: HaproxyWords): Peer {
  return {
    name,
    program: "HAProxy",
    async start(endpoints) {
      const ports = await freePorts(1);
      const servers = endpoints.map((port, i) => `  server s${i} 127.0.0.1:${port} ${server}`);
      const config = `global
  maxconn ${CONNECTIONS}
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:${ports[0]} backlog 4096
  default_backend all
backend all
  http-reuse always
${backend.map((line) => `  ${line}`).join("\n")}
${servers.join("\n")}
`;
      return launch({
        name: "haproxy",
        ports,
        config: () => config,
        command: (_, file) => ["haproxy", "-db", "-f", file],
      });
    },
  };
}

export interface RunningPeer {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

/** Starts those that are installed for the time of `use`, says which are not, and ends them whatever happens. */
export async function withPeers<T>(
  { peers, endpoints, say }: PeersBeside,
  use: (running: readonly RunningPeer[]) => Promise<T>,
): Promise<T> {
  const launched: Launched[] = [];
  try {
    const running: RunningPeer[] = [];
    for (const peer of installed(peers, say)) {
      const one = await peer.start(endpoints);
      launched.push(one);
      running.push({ name: peer.name, port: one.ports[0] ?? 0, pid: one.pid });
    }
    return await use(running);
  } finally {
    await Promise.all(launched.map((one) => one.stop()));
  }
}

export interface PeersBeside {
  readonly peers: readonly Peer[];
  /** The ports of the servers behind them. */
  readonly endpoints: readonly number[];
  say(line: string): void;
}

/** Says which are not. */
export function installed(peers: readonly Peer[], say: (line: string) => void): readonly Peer[] {
  const isThere = { nginx: hasNginx(), HAProxy: spawnSync("haproxy", ["-v"]).status === 0 };
  for (const program of ["nginx", "HAProxy"] as const) {
    if (!isThere[program]) say(`${program} is not installed (apt-get install ${program.toLowerCase()}): without it`);
  }
  return peers.filter(({ program }) => isThere[program]);
}

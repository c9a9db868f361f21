// A server of the Open Inference Protocol over HTTP with one model, `line` (y = 3x + 1), whose answers a script may spoil.

import { createServer, type Socket } from "node:net";
import { rawUpstream, type UpstreamOptions, type UpstreamRequest } from "./upstream-raw.ts";

/** One inference, and all that a fault needs to spoil its answer. */
export interface ChaosAsk {
  readonly socket: Socket;
  readonly request: UpstreamRequest;
  /** The id that the gateway sent along, where it did. */
  readonly id: string | undefined;
  readonly x: readonly number[];
  /** Writes the right answer. */
  right(): void;
}

/** Answers an inference in the server's place. */
export type Spoil = (ask: ChaosAsk) => void;

export interface ChaosServer {
  readonly port: number;
  /** Inferences so far. */
  readonly asks: number;
  /** What each of them asked for, the latest thousand at most. */
  readonly seen: readonly (readonly number[])[];
  /** Questions about health so far. */
  readonly checks: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Answers each inference from now on, or nobody but the model itself. */
  spoil(how: Spoil | undefined): void;
  /** What its health says from now on; 200 at first. */
  health(status: number): void;
  /** Ends every connection that is open now. */
  cut(): void;
  close(): Promise<void>;
}

/** What the model answers: a function of its input alone, so that another request's answer is seen. */
export function line(x: readonly number[]): readonly number[] {
  return x.map((value) => 3 * value + 1);
}

export async function startChaosServer(options: UpstreamOptions = {}): Promise<ChaosServer> {
  let how: Spoil | undefined;
  let asks = 0;
  const seen: (readonly number[])[] = [];
  let checks = 0;
  let health = 200;
  const sockets = new Set<Socket>();
  const server = await rawUpstream(
    (request) => {
      const [, path = ""] = request.line.split(" ");
      if (!sockets.has(request.socket)) request.socket.once("close", () => sockets.delete(request.socket));
      sockets.add(request.socket);
      if (path === "/v2/health/ready") {
        checks += 1;
        return void request.socket.write(httpAnswer("", health));
      }
      if (!/^\/v2\/models\/line(\/versions\/1)?\/infer$/.test(path)) return void request.socket.write(told(path));
      asks += 1;
      const asked = askOf(request);
      if (seen.push(asked.x) > 1000) seen.shift();
      return how === undefined ? asked.right() : how(asked);
    },
    { listen: (onSocket) => createServer(onSocket), keep: false, ...options },
  );
  return {
    port: server.port,
    get asks() {
      return asks;
    },
    seen,
    get checks() {
      return checks;
    },
    get open() {
      return server.open;
    },
    spoil(next) {
      how = next;
    },
    health(status) {
      health = status;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close: server.close,
  };
}

const SPEC = { datatype: "INT32", shape: [-1] };
const MODEL = {
  name: "line",
  versions: ["1"],
  platform: "chaos",
  inputs: [{ name: "x", ...SPEC }],
  outputs: [{ name: "y", ...SPEC }],
};

function told(path: string): Buffer {
  if (path === "/v2") return httpAnswer(JSON.stringify({ name: "chaos", version: "1", extensions: [] }));
  if (path === "/v2/models/line" || path === "/v2/models/line/versions/1") return httpAnswer(JSON.stringify(MODEL));
  return path.endsWith("/ready") ? httpAnswer("") : httpAnswer('{"error":"no such path"}', 404);
}

/** A whole answer over HTTP. */
export function httpAnswer(body: string, status = 200, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Said\r\n${lines.join("")}\r\n${body}`);
}

interface Wire {
  readonly id?: string;
  readonly inputs: readonly { readonly data: readonly number[] }[];
}

function askOf(request: UpstreamRequest): ChaosAsk {
  const { id, inputs } = JSON.parse(request.body.toString()) as Wire;
  const x = inputs[0]?.data ?? [];
  return {
    socket: request.socket,
    request,
    id,
    x,
    right: () => void request.socket.write(httpAnswer(body({ x, id }))),
  };
}

/** The body of an answer: the right one for `x`, but for what is said otherwise. */
export function body(of: {
  readonly x: readonly number[];
  readonly id?: string | undefined;
  readonly shape?: readonly number[];
  readonly name?: string;
}): string {
  const { x, id, shape = [x.length], name = "y" } = of;
  const outputs = [{ name, datatype: "INT32", shape, data: line(x) }];
  return JSON.stringify({ model_name: "line", model_version: "1", ...(id === undefined ? {} : { id }), outputs });
}

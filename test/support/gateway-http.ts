// The real HTTP server over a protocol whose answers the test decides: for what holds on every path, whatever its protocol.

import { asInferError, type Code, type InferError } from "../../core/error.ts";
import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { type Budget, openBudget } from "../../gateway/budget.ts";
import { loopCount, systemClock } from "../../gateway/env.ts";
import { openHttp } from "../../gateway/http.ts";
import { openIntake } from "../../gateway/intake.ts";
import type { Listener } from "../../gateway/listener.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";

/** A request that waits at `/held` until the test answers it. */
export interface HeldRequest {
  readonly wire: WireRequest;
  answer(body: string): void;
}

export interface EchoServer {
  readonly port: number;
  readonly server: Listener;
  readonly budget: Budget;
  readonly env: FakeEnv;
  /** The next request at `/held`, once it has come. */
  held(): Promise<HeldRequest>;
  close(): Promise<void>;
}

export interface EchoOptions {
  readonly bodyBytes?: number;
  readonly headerBytes?: number;
  readonly urlBytes?: number;
  readonly requestTimeoutMs?: number;
  readonly budgetBytes?: number;
}

const MIB = 1024 * 1024;

const STATUS: Partial<Record<Code, number>> = {
  "not-found": 404,
  "too-large": 413,
  overloaded: 503,
  cancelled: 499,
  internal: 500,
};

/**
 * `POST /echo` answers the body that came, `GET /echo` the path; `POST /echo/:name` the name as it was decoded;
 * `POST /held` waits for the test; `POST /stream` sends endless parts of 64 KiB.
 */
export async function openEcho(options: EchoOptions = {}): Promise<EchoServer> {
  const fake = fakeEnv();
  // time is real here: sockets and the server's own timers are
  const env = { ...fake, clock: systemClock };
  const budget = openBudget(options.budgetBytes ?? 256 * MIB);
  const waiting: HeldRequest[] = [];
  const takers: ((held: HeldRequest) => void)[] = [];
  const onHeld = (held: HeldRequest) => {
    const taker = takers.shift();
    if (taker === undefined) waiting.push(held);
    else taker(held);
  };
  const server = await openHttp({
    name: "http",
    address: { host: "127.0.0.1", port: 0 },
    protocols: [echoProtocol(onHeld)],
    hold: () => ({ planes: {} as Planes, release: () => {} }),
    limits: {
      bodyBytes: options.bodyBytes ?? 64 * MIB,
      headerBytes: options.headerBytes ?? 16 * 1024,
      urlBytes: options.urlBytes ?? 8 * 1024,
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    },
    budget,
    intake: openIntake({ clock: systemClock, loops: loopCount }),
    env,
  });
  return {
    port: server.address.port,
    server,
    budget,
    env: fake,
    held: () => {
      const one = waiting.shift();
      return one === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(one);
    },
    close: () => server.close(1_000),
  };
}

function echoProtocol(onHeld: (held: HeldRequest) => void): Protocol {
  return {
    name: "echo",
    listener: "http",
    prefixes: ["/echo", "/held", "/stream"],
    fail: (error) => failure(asInferError(error)),
    routes: [
      { method: "GET", path: "/echo", handle: async (wire) => text(wire.path) },
      { method: "POST", path: "/echo", handle: async (wire) => text(wire.body as Uint8Array) },
      { method: "POST", path: "/echo/:name", handle: async (wire) => text(wire.params.name ?? "") },
      {
        method: "POST",
        path: "/held",
        handle: (wire) =>
          new Promise((resolve) => {
            onHeld({ wire, answer: (body) => resolve(text(body)) });
            wire.signal.addEventListener("abort", () => resolve(failure(asInferError(wire.signal.reason))));
          }),
      },
      { method: "POST", path: "/stream", handle: async () => ({ status: 200, headers: {}, body: endless() }) },
      {
        method: "POST",
        path: "/throws",
        handle: () => Promise.reject(new TypeError("a secret of the implementation")),
      },
    ],
  };
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(64 * 1024, "x");
}

function text(body: string | Uint8Array): WireReply {
  return { status: 200, headers: { "content-type": "text/plain" }, body: Buffer.from(body) };
}

function failure(error: InferError): WireReply {
  return {
    status: STATUS[error.code] ?? 400,
    headers: { "content-type": "application/json", "sluice-error-origin": error.origin },
    body: Buffer.from(JSON.stringify({ error: error.message })),
  };
}

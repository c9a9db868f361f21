// The gRPC listener, the one door to grpc-js on this side: protocols' route tables, each call in encoded messages.

import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import {
  type ConnectionInjector,
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerOptions,
} from "@grpc/grpc-js";
import type { Address } from "../config/config.ts";
import type { Clock, Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { Protocol } from "../core/protocol.ts";
import type { Budget } from "./budget.ts";
import type { GrpcCall } from "./grpc/call.ts";
import { type GrpcLimits, type GrpcServing, serve } from "./grpc/serving.ts";
import { type Connection, watchStreams } from "./grpc/watch.ts";
import type { Intake } from "./intake.ts";
import { type Listener, limitConnections, listenFault } from "./listener.ts";
import type { Ongoing, ProcessFaults } from "./process-faults.ts";
import type { Hold } from "./trees.ts";

export interface GrpcOptions {
  readonly address: Address;
  readonly protocols: readonly Protocol[];
  /** The tree of services in force, for one request. */
  readonly hold: () => Hold;
  readonly limits: GrpcLimits;
  readonly budget: Budget;
  readonly intake: Intake;
  readonly env: Env;
  /** Told of each call, so that what it throws ends it alone; nobody when absent. */
  readonly faults?: ProcessFaults | undefined;
  /** Connections at once; no limit when absent. */
  readonly maxConnections?: number | undefined;
}

/** Calls of one connection at once; the next ones wait at the client. */
const MAX_STREAMS = 1000;
/** How often a silent connection is asked whether its client is still there. Source: grpc/grpc doc/keepalive.md. */
const KEEPALIVE_MS = 300_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** @throws InferError invalid-argument when the address is taken or may not be opened */
export async function openGrpc(options: GrpcOptions): Promise<Listener> {
  const serving: GrpcServing = { ...options, inFlight: 0, draining: new AbortController() };
  const server = new Server(settings(serving, options.faults));
  const identity = (message: Buffer): Buffer => message;
  for (const { path } of options.protocols.flatMap(({ routes }) => routes)) {
    // the interceptor takes the call before the library's own handlers, which read ahead up to 16 messages
    server.register(path, () => {}, identity, identity, "bidi");
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Map<string, Socket>();
  // a listener of our own: the library's tells errors to the console, and hides their codes
  const door = createServer({ noDelay: true }, (socket) => {
    const key = keyOf(socket);
    sockets.set(key, socket);
    socket.once("close", () => sockets.delete(key));
    injector.injectConnection(socket);
  });
  limitConnections(door, { name: "grpc", ...options });
  try {
    await listening(door, options.address);
  } catch (error) {
    server.forceShutdown();
    throw listenFault({ name: "grpc", address: options.address }, error);
  }
  const stopWatching = watchStreams({
    isOurs: (connection) => sockets.has(keyOf(connection)),
    budget: options.budget,
  });
  return served({ server, injector, door, sockets, serving, stopWatching });
}

function keyOf({ remoteAddress, remotePort, localPort }: Connection): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

function settings(serving: GrpcServing, faults: ProcessFaults | undefined): ServerOptions {
  const { messageBytes } = serving.limits;
  const routes = new Map(
    serving.protocols.flatMap((protocol) => protocol.routes.map((route) => [route.path, { protocol, route }] as const)),
  );
  const taking: ServerInterceptor = ({ path }, inner) => {
    const call = new ServerInterceptingCall(inner);
    const found = routes.get(path);
    if (found === undefined) return call;
    call.start = () =>
      take({ path, inner, clock: serving.env.clock }, (taken) => {
        const work = () => void serve(serving, found, taken);
        if (faults === undefined) return work();
        faults.serve(ongoing(taken), work);
      });
    return call;
  };
  return {
    "grpc.max_receive_message_length": messageBytes,
    // what is sent is measured before it is handed over
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": MAX_STREAMS,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.enable_channelz": 0,
    interceptors: [taking],
  };
}

/** A call as far as a fault of it that nobody caught is concerned. */
function ongoing(call: GrpcCall): Ongoing {
  return {
    about: () => ({ id: call.metadata.get("x-request-id"), path: call.path }),
    fail: (fault) =>
      call.end({ code: INTERNAL, text: fault.message, metadata: { "sluice-error-origin": fault.origin } }),
  };
}

/** Source: grpc/grpc doc/statuscodes.md. */
const INTERNAL = 13;

/** A call as the library has it. */
interface Incoming {
  readonly path: string;
  readonly inner: ServerInterceptingCallInterface;
  readonly clock: Clock;
}

/** Makes a GrpcCall of the library's call and hands it on when its metadata is there. */
function take(incoming: Incoming, taken: (call: GrpcCall) => void): void {
  const { path, inner } = incoming;
  const gone = new AbortController();
  let phase: "open" | "ended" | "closed" = "open";
  let halfClosed = false;
  let waiting: { resolve(message: Uint8Array | undefined): void; reject(reason: unknown): void } | undefined;
  let giveUp = () => {};
  let onClose = () => {};
  const hand = (message: Uint8Array | undefined) => {
    const waiter = waiting;
    waiting = undefined;
    waiter?.resolve(message);
  };
  const call = (metadata: Metadata): GrpcCall => ({
    path,
    peer: hostOf(inner.getPeer()),
    metadata: mapOf(metadata),
    timeoutMs: timeoutOf(incoming),
    signal: gone.signal,
    next() {
      if (phase !== "open") return Promise.reject(gone.signal.reason ?? over());
      if (halfClosed) return Promise.resolve(undefined);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        inner.startRead();
      });
    },
    head(headers) {
      if (phase === "open") inner.sendMetadata(metadataOf(headers));
    },
    send(message) {
      if (phase !== "open") return Promise.resolve();
      return new Promise((resolve) => {
        giveUp = resolve;
        const { buffer, byteOffset, byteLength } = message;
        inner.sendMessage(Buffer.from(buffer, byteOffset, byteLength), resolve);
      });
    },
    end({ code, text, metadata: trailers }) {
      if (phase !== "open") return;
      phase = "ended";
      inner.sendStatus({ code, details: text, metadata: metadataOf(trailers) });
    },
    onClose(listener) {
      onClose = listener;
      if (phase === "closed") listener();
    },
  });
  inner.start({
    onReceiveMetadata: (metadata) => taken(call(metadata)),
    onReceiveMessage: hand,
    onReceiveHalfClose() {
      halfClosed = true;
      hand(undefined);
    },
    // also comes when the call has ended in the ordinary way
    onCancel() {
      if (phase === "open") gone.abort(leaving(incoming));
      phase = "closed";
      waiting?.reject(gone.signal.reason ?? over());
      waiting = undefined;
      giveUp();
      onClose();
    },
  });
}

/**
 * A client's clock for its deadline runs ahead of ours by the time that its request was on the way: one that leaves so
 * shortly before has seen its deadline pass.
 */
const DEADLINE_SLACK_MS = 20;

/** Why a call is over that we did not end. The library itself answers a deadline that passes. */
function leaving(incoming: Incoming): InferError {
  const left = timeoutOf(incoming);
  if (left !== undefined && left <= DEADLINE_SLACK_MS) {
    return new InferError("deadline-exceeded", "no answer within the caller's deadline");
  }
  return new InferError("cancelled", "the client left before its answer");
}

function over(): InferError {
  return new InferError("cancelled", "the call is over");
}

/** Milliseconds from now; the library keeps deadlines by the wall clock. */
function timeoutOf({ inner, clock }: Incoming): number | undefined {
  const deadline = Number(inner.getDeadline());
  return Number.isFinite(deadline) ? deadline - clock.wall() : undefined;
}

function mapOf(metadata: Metadata): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const [key, value] of Object.entries(metadata.getMap())) {
    map.set(key, typeof value === "string" ? value : value.toString("base64"));
  }
  return map;
}

/** Source: grpc/grpc doc/PROTOCOL-HTTP2.md, Custom-Metadata; `grpc-` is the library's own. */
const KEY = /^(?!grpc-(?!retry-pushback-ms$))[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

function metadataOf(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(values)) {
    if (!KEY.test(key)) continue;
    if (key.endsWith("-bin")) metadata.set(key, Buffer.from(value, "base64"));
    else if (VALUE.test(value)) metadata.set(key, value);
  }
  return metadata;
}

function listening(door: NetServer, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    door.once("error", reject);
    door.listen({ host, port }, () => {
      door.off("error", reject);
      resolve();
    });
  });
}

interface Opened {
  readonly server: Server;
  readonly injector: ConnectionInjector;
  readonly door: NetServer;
  readonly sockets: ReadonlyMap<string, Socket>;
  readonly serving: GrpcServing;
  stopWatching(): void;
}

/** The library cuts connections off some time after it has told their clients to go; here `close` does that. */
const NEVER_MS = 2 ** 31 - 1;

function served({ server, injector, door, sockets, serving, stopWatching }: Opened): Listener {
  const bound = door.address() as AddressInfo;
  return {
    address: { host: serving.address.host, port: bound.port },
    get inFlight() {
      return serving.inFlight;
    },
    // GOAWAY: what is in flight goes on, and the next calls come over new connections
    drain: () => injector.drain(NEVER_MS),
    async close(limitMs) {
      serving.draining.abort();
      const closed = new Promise<void>((resolve) => door.close(() => resolve()));
      const stopCutting = serving.env.clock.after(limitMs, () => {
        server.forceShutdown();
        for (const socket of sockets.values()) socket.destroy();
      });
      await Promise.all([closed, new Promise<void>((resolve) => server.tryShutdown(() => resolve()))]);
      stopCutting();
      stopWatching();
    },
  };
}

/**
 * The address without its port, as the HTTP listener has it: a client is the same one on its next connection. grpc-js gives
 * `address:port`, an IPv6 address with or without brackets.
 */
function hostOf(peer: string): string {
  return /^\[?(.+?)\]?:\d+$/.exec(peer)?.[1] ?? peer;
}

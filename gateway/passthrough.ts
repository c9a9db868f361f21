// Paths that are not inference go to a server as they come, by prefix: its docs, its metrics, TensorBoard; WebSockets too.

import type { IncomingMessage, ServerResponse } from "node:http";
import httpProxy from "@fastify/http-proxy";
import type { PassthroughConfig } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { Protocol } from "../core/protocol.ts";
import { type Identity, identityOf, pathOf } from "./incoming.ts";
import { type HeaderBag, type Place, requestHeaders, responseHeaders } from "./passthrough/headers.ts";
import { QuietSocket } from "./passthrough/socket.ts";

/** A prefix and the server that stands behind it. */
export interface Passthrough extends Pick<PassthroughConfig, "websocket" | "request" | "response"> {
  readonly prefix: string;
  /** The path there that stands for the prefix. */
  readonly path: string;
  /** Where the server is now. @throws InferError unavailable when nobody knows */
  origin(): string;
  /** What the server is called, with its port; as its origin says where nothing is. */
  host?(): string | undefined;
}

/** What a listener lends to its passthroughs. */
export interface PassthroughHost {
  readonly env: Env;
  /** Nothing shadows their paths. */
  readonly protocols: readonly Protocol[];
  /** Counts the request as in flight until its answer is out. */
  track(response: ServerResponse): void;
  /** The largest message of a WebSocket, in bytes. */
  readonly messageBytes: number;
}

type App = Parameters<typeof httpProxy>[0];

/** Bytes that wait for a slow reader of a WebSocket at most; beyond it both sides are closed. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const UNREACHABLE = "the server behind this path cannot be reached";
/** How long a server may take to open a WebSocket, in milliseconds. */
const HANDSHAKE_MS = 10_000;
/** Try again later. Source: IANA, WebSocket close code numbers. */
const TOO_SLOW = 1013;

/** Those of a protocol's paths that a prefix would stand among; undefined where it stands among none. */
function shadowed(prefix: string, protocols: readonly Protocol[]): string | undefined {
  const isUnder = (path: string, other: string) => path === other || path.startsWith(`${other}/`);
  return protocols.flatMap((protocol) => protocol.prefixes).find((own) => isUnder(prefix, own) || isUnder(own, prefix));
}

/** Adds the prefixes to a listener. @throws InferError invalid-argument for one that lies among a protocol's paths */
export function addPassthrough(app: App, list: readonly Passthrough[], host: PassthroughHost): void {
  for (const one of list) {
    const own = shadowed(one.prefix, host.protocols);
    if (own !== undefined) {
      const text = `passthrough.${one.prefix}: expected a prefix that no protocol has, got one among the paths of ${own}`;
      throw new InferError("invalid-argument", text);
    }
    // a scope of its own: its hooks, and what it does with bodies, hold for these paths only
    app.register(async (scope) => addOne(scope, one, host));
  }
}

type Options = Parameters<typeof httpProxy>[1];

async function addOne(scope: App, one: Passthrough, host: PassthroughHost): Promise<void> {
  const identities = new WeakMap<object, Identity>();
  const headersFor = (raw: object): Headers => {
    const request = raw as IncomingMessage;
    const { id, traceparent } = identities.get(request) ?? identityOf(request);
    const host = one.host?.();
    const named = host === undefined ? {} : { host };
    return { ...named, ...requestHeaders(request.headers, one.request), "x-request-id": id, traceparent };
  };
  scope.addHook("onRequest", async (request, reply) => {
    const pair = { request: request.raw as IncomingMessage, response: reply.raw as ServerResponse };
    const identity = identityOf(pair.request);
    identities.set(pair.request, identity);
    pair.response.setHeader("x-request-id", identity.id);
    host.track(pair.response);
    pair.response.once("close", () => logLine(host.env, { ...pair, identity }));
    // the library would take it up for a prefix that has WebSockets, and leave it open here
    if (one.websocket || request.headers.upgrade === undefined) return undefined;
    reply.code(400).header("sluice-error-origin", "client").send({ error: "this path takes no WebSocket" });
    return reply;
  });
  scope.setErrorHandler((error, _request, reply) => refuse(reply, error));
  const place = (): Place => {
    const target = new URL(one.path, one.origin());
    return { prefix: one.prefix, target, host: one.host?.() ?? target.host };
  };
  const options = {
    upstream: "",
    prefix: one.prefix,
    rewritePrefix: one.path,
    replyOptions: {
      getUpstream: () => one.origin(),
      rewriteRequestHeaders: (request: { readonly raw: object }) => headersFor(request.raw),
      rewriteHeaders: (headers: HeaderBag) => responseHeaders(headers, one.response, place()),
      onError: (reply: Answerable) => refuse(reply, new InferError("unavailable", UNREACHABLE)),
    },
    ...(one.websocket ? webSocket(host, headersFor) : {}),
  };
  // its types ask for the whole module of ws where it takes any class of socket
  scope.register(httpProxy, options as unknown as Options);
}

type Headers = Record<string, string | string[]>;

function webSocket(host: PassthroughHost, headersFor: (raw: object) => Headers) {
  const stop = (_context: object, from: Socket, to: Socket) => {
    if (to.bufferedAmount > MAX_WAITING_BYTES) from.close(TOO_SLOW, "the other side reads too slowly");
  };
  return {
    websocket: true,
    wsClientOptions: {
      rewriteRequestHeaders: (_: object, request: { readonly raw: object }) => {
        // those of a body have no place in a handshake
        const { "content-length": _length, "content-type": _type, ...headers } = headersFor(request.raw);
        return headers;
      },
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: host.messageBytes,
      perMessageDeflate: false,
    },
    wsServerOptions: { WebSocket: QuietSocket, maxPayload: host.messageBytes },
    wsHooks: {
      onIncomingMessage: stop,
      onOutgoingMessage: (context: object, source: Socket, target: Socket) => stop(context, target, source),
    },
  };
}

interface Socket {
  readonly bufferedAmount: number;
  close(code: number, reason: string): void;
}

interface Answerable {
  code(status: number): { header(name: string, value: string): { send(body: object): unknown } };
}

function refuse(reply: Answerable, error: unknown): void {
  const status = error instanceof InferError ? 503 : statusOf(error);
  const fault = asInferError(error);
  const message = status === 400 ? "the path holds characters that it must not hold" : fault.message;
  reply
    .code(status)
    .header("sluice-error-origin", status === 400 ? "client" : fault.origin)
    .send({ error: message });
}

// a path that would leave its prefix is the client's mistake
function statusOf(error: unknown): number {
  const isClients =
    error instanceof URIError || (error as { readonly statusCode?: unknown } | null)?.statusCode === 400;
  return isClients ? 400 : 500;
}

interface Logged {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly identity: Identity;
}

function logLine(env: Env, { request, response, identity: { id } }: Logged): void {
  env.log.info({ id, method: request.method, path: pathOf(request), status: response.statusCode }, "passed through");
}

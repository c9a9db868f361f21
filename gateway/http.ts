// The HTTP server: protocols' route tables served by fastify, with limits, identities, drain and one log line a request.

import { METHODS, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../core/protocol.ts";
import { readBody, REQUEST_ENCODINGS } from "./body.ts";
import type { Budget } from "./budget.ts";
import { answerBrokenHttp, type Unanswered } from "./broken-http.ts";
import { requestId, traceparent } from "./identity.ts";
import { plainError, writeReply } from "./reply.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface HttpLimits {
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly urlBytes: number;
  /** How long a client may take to send one whole request, in milliseconds. */
  readonly requestTimeoutMs: number;
}

export interface HttpOptions {
  /** `http` or `admin`, for the log. */
  readonly name: string;
  readonly address: Address;
  readonly protocols: readonly Protocol[];
  readonly planes: () => Planes;
  readonly limits: HttpLimits;
  readonly budget: Budget;
  readonly env: Env;
}

export interface HttpServer {
  /** Where it listens: the real port when 0 was asked for. */
  readonly address: Address;
  readonly inFlight: number;
  /** From now on every answer asks its client to open a new connection, elsewhere. */
  drain(): void;
  /** Stops accepting, waits for what is in flight up to `limitMs`, then cuts the rest. */
  close(limitMs: number): Promise<void>;
}

/** How long an idle connection is kept: longer than load balancers' usual 60 s, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
/** How often connections are checked for a request that takes too long. */
const CHECK_EVERY_MS = 1_000;

/** @throws InferError invalid-argument when the address is taken or not ours */
export async function openHttp(options: HttpOptions): Promise<HttpServer> {
  const state: State = { options, inFlight: 0, draining: false, unanswered: new WeakMap() };
  const app = fastify({
    logger: false,
    return503OnClosing: false,
    forceCloseConnections: "idle",
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: options.limits.requestTimeoutMs,
    routerOptions: { maxParamLength: options.limits.urlBytes },
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      const fault = new InferError("invalid-argument", `path "${request.raw.url}" is not a valid URL path`, { cause: error });
      refuse(state, { request: request.raw, response: reply.raw, error: fault });
    },
    clientErrorHandler: (error, socket) => answerBrokenHttp(error, socket, state.unanswered),
    http: {
      maxHeaderSize: options.limits.headerBytes,
      // the URL counts towards maxHeaderSize, and this server says 414 itself
      headersTimeout: options.limits.requestTimeoutMs,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
  });
  app.removeAllContentTypeParsers();
  // bodies are read by body.ts, whatever their type: tritonclient sends none
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  for (const protocol of options.protocols) addRoutes(app, state, protocol);
  addMethodRefusals(app, state);
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    const fault = new InferError("not-found", `no such path: ${pathOf(request.raw)}`);
    refuse(state, { request: request.raw, response: reply.raw, error: fault });
  });
  try {
    await app.listen({ host: options.address.host, port: options.address.port });
  } catch (error) {
    await app.close();
    throw listenFault(options, error);
  }
  return served(app, state);
}

interface State {
  readonly options: HttpOptions;
  inFlight: number;
  draining: boolean;
  readonly unanswered: Unanswered;
}

/** Counts the request as in flight until its answer is out or its client gone; `onClose` hears which. */
function track(state: State, exchange: Pick<Exchange, "request" | "response">, onClose: (whole: boolean) => void): void {
  const { request, response } = exchange;
  const socket = request.socket;
  const pending = { request, response };
  state.inFlight += 1;
  state.unanswered.set(socket, [...(state.unanswered.get(socket) ?? []), pending]);
  response.once("close", () => {
    state.inFlight -= 1;
    state.unanswered.set(socket, (state.unanswered.get(socket) ?? []).filter((one) => one !== pending));
    onClose(response.writableFinished);
  });
}

function served(app: FastifyInstance, state: State): HttpServer {
  const bound = app.server.address() as AddressInfo;
  return {
    address: { host: state.options.address.host, port: bound.port },
    get inFlight() {
      return state.inFlight;
    },
    drain() {
      state.draining = true;
    },
    async close(limitMs) {
      state.draining = true;
      const cut = state.options.env.clock.after(limitMs, () => (app.server as Server).closeAllConnections());
      await app.close();
      cut();
    },
  };
}

function listenFault(options: HttpOptions, error: unknown): InferError {
  const { host, port } = options.address;
  const code = (error as NodeJS.ErrnoException).code;
  const why =
    code === "EADDRINUSE" ? "the port is in use" : code === "EACCES" ? "the port may not be opened" : String(code);
  return new InferError("invalid-argument", `listen.${options.name}: cannot listen on ${host}:${port}: ${why}`, {
    cause: error,
  });
}

function addRoutes(app: FastifyInstance, state: State, protocol: Protocol): void {
  for (const route of protocol.routes) {
    app.route({
      method: route.method,
      url: route.path,
      handler: (request, reply) => {
        reply.hijack();
        const params = request.params as Readonly<Record<string, string>>;
        return serve(state, { protocol, route, params, request: request.raw, response: reply.raw });
      },
    });
  }
}

/** Every other method on a known path is answered 405 with the methods that it has. */
function addMethodRefusals(app: FastifyInstance, state: State): void {
  const allowed = new Map<string, Set<string>>();
  for (const protocol of state.options.protocols) {
    for (const { method, path } of protocol.routes) {
      const methods = allowed.get(path) ?? new Set();
      methods.add(method);
      if (method === "GET") methods.add("HEAD");
      allowed.set(path, methods);
    }
  }
  const known = METHODS.filter((method) => app.supportedMethods.includes(method));
  for (const [path, methods] of allowed) {
    const allow = [...methods].join(", ");
    app.route({
      method: known.filter((method) => !methods.has(method)),
      url: path,
      handler: (request, reply) => {
        reply.hijack();
        const fault = new InferError("unsupported", `${path} takes ${allow}, got ${request.method}`);
        refuse(state, { request: request.raw, response: reply.raw, error: fault, status: 405, headers: { allow } });
      },
    });
  }
}

interface Exchange {
  readonly protocol: Protocol;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function serve(state: State, exchange: Exchange): Promise<void> {
  const { protocol, route, request, response } = exchange;
  const { budget, limits, env } = state.options;
  const arrivedAt = env.clock.now();
  const gone = new AbortController();
  const holding = budget.open();
  const identity = identityOf(request);
  track(state, exchange, (whole) => {
    holding.release();
    if (!whole) gone.abort(new InferError("cancelled", "the client left before its answer"));
  });
  let reply: WireReply;
  try {
    const url = request.url ?? "/";
    if (url.length > limits.urlBytes) throw urlTooLong(url.length, limits.urlBytes);
    const body =
      route.body === "stream" ? request : await readBody(request, { maxBytes: limits.bodyBytes }, holding);
    const wire: WireRequest = {
      method: request.method ?? "GET",
      path: pathOf(request),
      params: exchange.params,
      query: queryOf(url),
      headers: headersOf(request),
      peer: request.socket.remoteAddress ?? "",
      arrivedAt,
      signal: gone.signal,
      ...identity,
      body,
    };
    reply = await route.handle(wire, state.options.planes());
  } catch (error) {
    reply = bodyFault(protocol, error);
  }
  await writeReply({ request, response, reply, identity, close: closes(state, request, reply) }).catch((error) => {
    // the status is out: all that is left is to let the client see that its answer is not whole
    env.log.warn({ id: identity.id, err: error }, "the answer broke off");
    response.destroy();
  });
  logLine(state, { request, response, reply, identity, arrivedAt });
}

/** A body refused before it was read is still on its way: the connection cannot be used again. */
function closes(state: State, request: IncomingMessage, reply: WireReply): boolean {
  return state.draining || (reply.status >= 400 && !request.complete);
}

function bodyFault(protocol: Protocol, error: unknown): WireReply {
  const reply = protocol.fail(error);
  if (!(error instanceof InferError)) return reply;
  if (error.code === "unsupported" && error.message.startsWith("content-encoding")) {
    return { ...reply, status: 415, headers: { ...reply.headers, "accept-encoding": REQUEST_ENCODINGS } };
  }
  if (error.code === "too-large" && error.message.startsWith("url")) return { ...reply, status: 414 };
  return reply;
}

function urlTooLong(length: number, most: number): InferError {
  return new InferError("too-large", `url: expected at most ${most} bytes, got ${length}`);
}

interface Refusal {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly error: InferError;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request that no route takes, in the shape of the protocol whose paths it is among. */
function refuse(state: State, refusal: Refusal): void {
  const { request, response, error } = refusal;
  const arrivedAt = state.options.env.clock.now();
  const path = pathOf(request);
  const protocol = state.options.protocols.find((one) =>
    one.prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
  );
  const shaped = protocol?.fail(error) ?? plainError(404, error);
  const reply: WireReply = {
    ...shaped,
    status: refusal.status ?? shaped.status,
    headers: { ...shaped.headers, ...refusal.headers },
  };
  const identity = identityOf(request);
  track(state, refusal, () => {});
  const line = { request, response, reply, identity, arrivedAt };
  writeReply({ ...line, close: closes(state, request, reply) }).then(
    () => logLine(state, line),
    () => response.destroy(),
  );
}

interface Line {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly reply: WireReply;
  readonly identity: Identity;
  readonly arrivedAt: number;
}

function logLine(state: State, line: Line): void {
  const { request, response, reply, identity, arrivedAt } = line;
  const { log, clock } = state.options.env;
  const fields = {
    id: identity.id,
    traceparent: identity.traceparent,
    method: request.method,
    path: pathOf(request),
    status: response.destroyed && !response.writableFinished ? 499 : reply.status,
    ms: Math.round((clock.now() - arrivedAt) * 1000) / 1000,
    peer: request.socket?.remoteAddress,
    ...reply.about,
  };
  if (reply.status >= 500) log.error(fields, "request");
  else if (reply.about === undefined && reply.status < 400) log.debug(fields, "request");
  else log.info(fields, "request");
}

interface Identity {
  readonly id: string;
  readonly traceparent: string;
}

function identityOf(request: IncomingMessage): Identity {
  const id = request.headers["x-request-id"];
  const trace = request.headers.traceparent;
  return {
    id: requestId(typeof id === "string" ? id : undefined),
    traceparent: traceparent(typeof trace === "string" ? trace : undefined),
  };
}

function headersOf(request: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const name in request.headers) {
    const value = request.headers[name];
    if (value !== undefined) headers.set(name, typeof value === "string" ? value : (value[0] ?? ""));
  }
  return headers;
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  return mark === -1 ? url : url.slice(0, mark);
}

const NO_QUERY = new URLSearchParams();

function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf("?");
  return mark === -1 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
}

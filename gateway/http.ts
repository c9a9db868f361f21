// The HTTP listener: protocols' route tables under fastify, which owns sockets, parsing and routing.

import { createServer, type IncomingMessage, METHODS, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from "fastify";
import type { Address } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { Protocol } from "../core/protocol.ts";
import { answerBrokenHttp } from "./broken-http.ts";
import type { Budget } from "./budget.ts";
import { pathOf } from "./incoming.ts";
import type { Intake } from "./intake.ts";
import { openKnownWays, type Way } from "./known-ways.ts";
import { type Listener, limitConnections, listenFault } from "./listener.ts";
import { addPassthrough, type Passthrough } from "./passthrough.ts";
import type { Ongoing, ProcessFaults } from "./process-faults.ts";
import { openRefusalLines } from "./refusal-lines.ts";
import { type HttpLimits, type Pair, refuse, type Serving, serve } from "./serving.ts";
import type { Hold } from "./trees.ts";

export interface HttpOptions {
  /** `http` or `admin`, for messages. */
  readonly name: string;
  readonly address: Address;
  readonly protocols: readonly Protocol[];
  /** The tree of services in force, for one request. */
  readonly hold: () => Hold;
  readonly limits: HttpLimits;
  readonly budget: Budget;
  readonly intake: Intake;
  readonly env: Env;
  /** Told of each request, so that what it throws ends it alone; nobody when absent. */
  readonly faults?: ProcessFaults | undefined;
  /** Connections at once; no limit when absent. */
  readonly maxConnections?: number | undefined;
  /** Paths that are no inference and go to a server as they come. */
  readonly passthrough?: readonly Passthrough[];
}

/** How long an idle connection is kept: longer than load balancers' usual 60 s, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
/** How often connections are checked for a request that takes too long. */
const CHECK_EVERY_MS = 1_000;

/** @throws InferError invalid-argument when the address is taken or may not be opened */
export async function openHttp(options: HttpOptions): Promise<Listener> {
  const refusalLines = openRefusalLines(options.env);
  const serving: Serving = { ...options, inFlight: 0, draining: false, unanswered: new WeakMap(), refusalLines };
  const ways = openKnownWays();
  const take = (pair: Pair, way: Way) => {
    const work = () => void serve(serving, { ...way, ...pair });
    if (options.faults === undefined) return work();
    options.faults.serve(ongoing(serving, pair), work);
  };
  const app = fastifyFor(serving, (request, response) => {
    const way = ways.find(request);
    if (way !== undefined) take({ request, response }, way);
    return way !== undefined;
  });
  for (const protocol of options.protocols) {
    for (const route of protocol.routes) {
      app.route({
        method: route.method,
        url: patternOf(route.path),
        ...taking((request, reply) => {
          const way: Way = { protocol, route, params: request.params as Readonly<Record<string, string>> };
          const pair = hijacked(reply);
          ways.keep(pair.request, way);
          take(pair, way);
        }),
      });
    }
  }
  addMethodRefusals(app, serving);
  try {
    const track = (response: ServerResponse) => {
      serving.inFlight += 1;
      response.once("close", () => {
        serving.inFlight -= 1;
      });
    };
    const { passthrough = [], protocols, env, limits } = options;
    addPassthrough(app, passthrough, { protocols, env, track, messageBytes: limits.bodyBytes });
    limitConnections(app.server, options);
    await app.listen({ host: options.address.host, port: options.address.port });
  } catch (error) {
    await app.close();
    throw error instanceof InferError ? error : listenFault(options, error);
  }
  return served(app, serving, options.address);
}

/** A request as far as a fault of it that nobody caught is concerned. */
function ongoing(serving: Serving, pair: Pair): Ongoing {
  const { request, response } = pair;
  return {
    about: () => ({ id: request.headers["x-request-id"], method: request.method, path: pathOf(request) }),
    fail(fault) {
      if (!response.headersSent && !response.destroyed) refuse(serving, pair, { fault });
    },
  };
}

/** The path in the router's words, which have a colon as the beginning of a name only. */
function patternOf(path: string): string {
  return path.replace(/\/:(\w+):(\w+)$/, "/:$1(.+)::$2");
}

/** @param taken answers a request whose way is known, and says whether it did; all others are the router's */
function fastifyFor(
  serving: Serving,
  taken: (request: IncomingMessage, response: ServerResponse) => boolean,
): FastifyInstance {
  const { limits } = serving;
  const settings = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.requestTimeoutMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const app = fastify({
    logger: false,
    // what arrives on an open connection while it closes is served, not turned away
    return503OnClosing: false,
    forceCloseConnections: "idle",
    serverFactory: (router) =>
      createServer(settings, (request, response) => {
        if (!taken(request, response)) router(request, response);
      }),
    routerOptions: { maxParamLength: limits.urlBytes },
    frameworkErrors: (error, { raw }, reply) => {
      const fault = new InferError("invalid-argument", `path "${raw.url}" is not a valid URL path`, { cause: error });
      refuse(serving, hijacked(reply), { fault });
    },
    clientErrorHandler: (error, socket) => answerBrokenHttp(error, socket, serving.unanswered),
  });
  // an expectation that nobody knows is no reason to refuse (RFC 9110, 10.1.1: a server may); an empty one is none at all
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  app.addHook("onRequest", (request, reply, next) => {
    if (!request.is404) return next();
    const fault = new InferError("not-found", `no such path: ${pathOf(request.raw)}`);
    refuse(serving, hijacked(reply), { fault });
  });
  return app;
}

/**
 * A route that is answered as soon as it is known. Later fastify would refuse a body of a type that it cannot read;
 * body.ts reads bodies whatever their type, as Triton does (tritonclient sends none, others an empty one).
 */
function taking(
  take: (request: FastifyRequest, reply: FastifyReply) => void,
): Pick<RouteOptions, "onRequest" | "handler"> {
  return {
    onRequest: (request, reply) => take(request, reply),
    handler: () => Promise.reject(new Error("a route was not taken when it was found")),
  };
}

function hijacked(reply: FastifyReply): Pair {
  reply.hijack();
  return { request: reply.request.raw, response: reply.raw };
}

/** Every other method on a known path is answered 405 with the methods that it has. */
function addMethodRefusals(app: FastifyInstance, serving: Serving): void {
  const allowed = new Map<string, Set<string>>();
  for (const { method, path } of serving.protocols.flatMap((protocol) => protocol.routes)) {
    const methods = allowed.get(path) ?? new Set();
    methods.add(method);
    if (method === "GET") methods.add("HEAD");
    allowed.set(path, methods);
  }
  const known = METHODS.filter((method) => app.supportedMethods.includes(method));
  for (const [path, methods] of allowed) {
    const allow = [...methods].join(", ");
    app.route({
      method: known.filter((method) => !methods.has(method)),
      url: patternOf(path),
      ...taking((request, reply) => {
        const fault = new InferError("unsupported", `${path} takes ${allow}, got ${request.method}`);
        refuse(serving, hijacked(reply), { fault, status: 405, headers: { allow } });
      }),
    });
  }
}

function served(app: FastifyInstance, serving: Serving, address: Address): Listener {
  const bound = app.server.address() as AddressInfo;
  return {
    address: { host: address.host, port: bound.port },
    get inFlight() {
      return serving.inFlight;
    },
    drain() {
      serving.draining = true;
    },
    async close(limitMs) {
      serving.draining = true;
      const stopCutting = serving.env.clock.after(limitMs, () => (app.server as Server).closeAllConnections());
      await app.close();
      stopCutting();
    },
  };
}

// The one door to undici: requests to one HTTP server over connections that are kept, with every fault in the words of the house.

import { buildConnector, Client } from "undici";
import { InferError } from "../core/error.ts";
import type { HttpClient } from "./connection.ts";
import { type Addition, askStream, askWhole, type Lane } from "./http-exchange.ts";
import { openLanes } from "./lanes.ts";
import { type Environment, placeOf, proxyCredentials, proxyFor } from "./proxy.ts";
import { nodeTls, type RenewableTls } from "./tls.ts";

export interface HttpClientOptions extends RenewableTls {
  /** Where the server is. A path in it is put before the path of each request. */
  readonly url: URL;
  /** Where the URL's host was found: connections go there, and the server hears of the host as the URL has it. */
  readonly address?: string;
  /** Connections at most. */
  readonly connections: number;
  /** Requests in flight on one connection; those said to be idempotent share it. */
  readonly pipelining?: number;
  readonly timeouts: HttpTimeouts;
  /** The largest whole answer, as sent and again when unpacked. */
  readonly maxAnswerBytes: number;
  /** Of the headers of one answer; 64 KiB when absent. */
  readonly maxHeaderBytes?: number;
  /** Requests that wait for a connection at most; 1024 when absent. */
  readonly maxWaiting?: number;
  /** The variables that name proxies. */
  readonly proxy?: Environment;
}

/** In milliseconds; 0 for no limit. undici's clock is coarse: each may come up to a second late. */
export interface HttpTimeouts {
  readonly connectMs: number;
  /** From the request sent to the headers of the answer. */
  readonly headersMs: number;
  /** Between two parts of a body. */
  readonly bodyMs: number;
}

const MAX_HEADER_BYTES = 64 * 1024;
const MAX_WAITING = 1024;
/** Under the 5 s after which uvicorn closes an idle connection, the shortest of the servers seen. */
const IDLE_MS = 4_000;

/** Where requests go and how. */
interface Target extends Addition {
  readonly origin: string;
  readonly connect: buildConnector.connector;
}

/**
 * Opens the client of one server; no connection is made before the first request.
 *
 * Closing it ends what is in flight with `unavailable`: whoever closes waits for its calls before.
 *
 * @throws Error for a proxy variable that cannot be read
 */
export function openHttpClient(options: HttpClientOptions): HttpClient {
  let target = targetOf(options);
  let closed = false;
  const lanes = openLanes<RenewableLane>({
    lanes: options.connections,
    each: options.pipelining ?? 1,
    waiting: options.maxWaiting ?? MAX_WAITING,
    open() {
      if (closed) throw new InferError("unavailable", "the connection to the backend is closed");
      return openLane(options, () => target);
    },
  });
  const stopTls = options.onTls?.((tls) => {
    target = targetOf({ ...options, tls });
    for (const lane of lanes.all) lane.renew();
  });
  return {
    ask: (ask, { signal }) => askWhole({ ask, signal, lanes, add: target }, options.maxAnswerBytes),
    stream: (ask, { signal }) => askStream({ ask, signal, lanes, add: target }),
    async close() {
      closed = true;
      stopTls?.();
      await Promise.all(lanes.all.map((lane) => lane.close()));
    },
  };
}

interface RenewableLane extends Lane {
  /** Takes a new connection, to the target as it is now; the one that stands ends with what is in flight on it. */
  renew(): void;
}

function openLane(options: HttpClientOptions, target: () => Target): RenewableLane {
  let client = clientOf(options, target());
  const ending = new Set<Client>();
  const blocking = (options.pipelining ?? 1) === 1;
  const lane: RenewableLane = {
    served: false,
    dispatch(request, handler) {
      // undici takes any iterable and writes its parts as they are; its types know only some
      client.dispatch({ ...request, body: request.body as Uint8Array | null, blocking }, handler);
    },
    renew() {
      const old = client;
      ending.add(old);
      client = clientOf(options, target());
      watch(client);
      lane.served = false;
      old.close().then(
        () => ending.delete(old),
        () => ending.delete(old),
      );
    },
    async close() {
      await Promise.all([client, ...ending].map((one) => one.destroy()));
    },
  };
  const watch = (one: Client) => {
    one.on("disconnect", () => {
      if (one === client) lane.served = false;
    });
  };
  watch(client);
  return lane;
}

function clientOf(options: HttpClientOptions, { origin, connect }: Target): Client {
  return new Client(origin, {
    connect,
    pipelining: options.pipelining ?? 1,
    headersTimeout: options.timeouts.headersMs,
    bodyTimeout: options.timeouts.bodyMs,
    maxHeaderSize: options.maxHeaderBytes ?? MAX_HEADER_BYTES,
    keepAliveTimeout: IDLE_MS,
    allowH2: false,
  });
}

function targetOf({ url, address, proxy, tls, timeouts }: HttpClientOptions): Target {
  const shared = { timeout: timeouts.connectMs, allowH2: false };
  const connect = buildConnector({ ...shared, ...nodeTls(tls) });
  const prefix = url.pathname.replace(/\/+$/, "");
  const through = proxy === undefined ? undefined : proxyFor(url, proxy);
  if (through === undefined) return { origin: url.origin, connect: connectTo(address, connect), prefix, headers: {} };
  const there = placeOf(url, address);
  const credentials = proxyCredentials(through);
  const headers: Record<string, string> =
    credentials === undefined ? {} : { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  if (url.protocol === "https:") {
    return {
      origin: url.origin,
      connect: tunnel({ url: there, through, headers, timeouts, connect }),
      prefix,
      headers: {},
    };
  }
  const { protocol, hostname, port, host } = through;
  const toProxy = buildConnector(shared);
  return {
    origin: url.origin,
    prefix: there.origin + prefix,
    connect: (from, done) => toProxy({ ...from, protocol, hostname: bare(hostname), port, host }, done),
    headers,
  };
}

function connectTo(address: string | undefined, connect: buildConnector.connector): buildConnector.connector {
  return address === undefined ? connect : (from, done) => connect({ ...from, hostname: address }, done);
}

interface Tunnel {
  readonly url: URL;
  readonly through: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: HttpTimeouts;
  readonly connect: buildConnector.connector;
}

/** TLS to the server inside a CONNECT through the proxy. */
function tunnel({ url, through, headers, timeouts, connect }: Tunnel): buildConnector.connector {
  const authority = `${url.hostname}:${url.port || "443"}`;
  return (from, done) => {
    const client = new Client(through.origin, {
      connect: { timeout: timeouts.connectMs },
      headersTimeout: timeouts.connectMs,
      allowH2: false,
    });
    const fail = (error: Error) => {
      void client.destroy();
      done(error, null);
    };
    client.connect({ path: authority, headers }, (error, answer) => {
      if (error !== null) return fail(error);
      const { socket, statusCode } = answer;
      if (statusCode === 200) return connect({ ...from, httpSocket: socket as never }, done);
      socket.destroy();
      return fail(new InferError("unavailable", `the proxy refused to connect to the backend (HTTP ${statusCode})`));
    });
  };
}

function bare(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

// The one door to grpc-js: calls to one gRPC server in encoded messages, with every status in the words of the house.

import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  Channel,
  type ChannelOptions,
  status as codes,
  connectivityState,
  credentials,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { abortReason } from "../core/call.ts";
import type { Env } from "../core/env.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { GrpcAsk, GrpcClient, GrpcDoor, GrpcStatus } from "./connection.ts";
import { grpcFault } from "./grpc-errors.ts";
import { type Asking, askOnce, openExchange, type Start, type Wire } from "./grpc-exchange.ts";
import { type Environment, proxyCredentials, proxyFor } from "./proxy.ts";
import type { ClientTls, RenewableTls } from "./tls.ts";

export interface GrpcClientOptions extends GrpcDoor, RenewableTls {
  /** Where the server is; https or grpcs for TLS. A path in it is put before that of each call. */
  readonly url: URL;
  /** Where the URL's host was found: connections go there, and the server hears of the host as the URL has it. */
  readonly address?: string;
  readonly env: Env;
  /** How long a call waits for a connection, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** The time between two pings of a connection that has calls, in milliseconds; 5 minutes when absent. */
  readonly keepaliveMs?: number;
  /** The largest message taken from the server. */
  readonly maxMessageBytes: number;
  /** What the server may send of one answer before it is read, in bytes; 1 MiB when absent. */
  readonly windowBytes?: number;
  /** The variables that name proxies. */
  readonly proxy?: Environment;
}

/** gRPC's own servers take a shorter time between pings for an attack. Source: grpc/grpc doc/keepalive.md. */
const KEEPALIVE_MS = 300_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
const WINDOW_BYTES = 1024 * 1024;
/** grpc-js begins at 1 s and goes up to 2 minutes, in which a server that has come back would stay unused. */
const FIRST_BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 2_000;
const RESOLVE_MS = 5_000;

/** A channel and how many calls are in flight on it. */
interface Line {
  readonly channel: Channel;
  calls: number;
}

interface Shared {
  readonly options: GrpcClientOptions;
  /** The one for new calls; one before it is closed when its last call has ended. */
  line: Line;
  /** How to end each call in flight. */
  readonly open: Set<(reason: InferError) => void>;
  closed: boolean;
}

/**
 * Opens the client of one server: one connection for all calls, made when the first comes.
 *
 * Closing it ends what is in flight with `unavailable`: whoever closes waits for its calls before.
 *
 * @throws Error for a proxy variable that cannot be read, or certificates that are none
 */
export function openGrpcClient(options: GrpcClientOptions): GrpcClient {
  const shared: Shared = { options, line: lineOf(options), open: new Set(), closed: false };
  const stopTls = options.onTls?.((tls) => {
    const old = shared.line;
    shared.line = lineOf({ ...options, tls });
    if (old.calls === 0) old.channel.close();
  });
  const begin = (start: Start) => beginCall(shared, start);
  return {
    unary: (ask, message, call) => askOnce(begin, { ask, call, message }),
    exchange: (ask, call) => openExchange(begin, ask, call),
    async close() {
      if (shared.closed) return;
      shared.closed = true;
      stopTls?.();
      for (const end of [...shared.open]) end(closedFault());
      shared.line.channel.close();
    },
  };
}

/**
 * Starts a call. It is over once, whatever comes first: its status, its caller's signal, the wait for a connection, the end
 * of the client. Only the status lets it end by itself; everything else resets the stream.
 */
function beginCall(shared: Shared, { ask, call, onMessage, onEnd }: Start): Wire {
  const { options, line, open } = shared;
  const { channel } = line;
  const { signal } = call;
  if (shared.closed) throw closedFault();
  const stream = channel.createCall(prefixOf(options.url) + ask.path, Number.POSITIVE_INFINITY, null, null, null);
  let over = false;
  let stopTimer = () => {};

  const finish = (fault: InferError | undefined) => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", onAbort);
    stopTimer();
    open.delete(end);
    line.calls -= 1;
    if (line.calls === 0 && line !== shared.line) channel.close();
    onEnd(fault);
  };
  const end = (reason: InferError) => {
    if (over) return;
    stream.cancelWithStatus(codes.CANCELLED, "cancelled");
    finish(reason);
  };
  const onAbort = () => end(abortReason(signal));
  const wire: Wire = {
    read: () => void (over || stream.startRead()),
    send(message, sent) {
      if (over) return;
      const { buffer, byteOffset, byteLength } = message;
      stream.sendMessageWithContext({ callback: sent }, Buffer.from(buffer, byteOffset, byteLength));
    },
    half: () => void (over || stream.halfClose()),
    end,
  };

  open.add(end);
  line.calls += 1;
  if (channel.getConnectivityState(false) !== connectivityState.READY) {
    stopTimer = options.env.clock.after(options.connectTimeoutMs, () => {
      if (channel.getConnectivityState(false) === connectivityState.READY) return;
      end(new InferError("unavailable", "no connection to the backend within the connect timeout", { unsent: true }));
    });
  }
  try {
    stream.start(metadataOf(ask, call, options.env), {
      onReceiveMetadata() {},
      onReceiveMessage(message: Buffer) {
        if (!over) onMessage(message);
      },
      onReceiveStatus: (status) => finish(status.code === codes.OK ? undefined : faultFor(status, options)),
    });
  } catch (error) {
    queueMicrotask(() => end(new InferError("internal", "internal error", { cause: error })));
  }
  if (signal.aborted) queueMicrotask(onAbort);
  else signal.addEventListener("abort", onAbort, { once: true });
  return wire;
}

function closedFault(): InferError {
  return new InferError("unavailable", "the connection to the backend is closed");
}

/** The deadline goes along as a header; here the caller's signal keeps it, by one clock. */
function metadataOf(ask: GrpcAsk, call: Asking, env: Env): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(ask.headers ?? {})) {
    metadata.set(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  if (call.deadline !== undefined && Number.isFinite(call.deadline)) {
    metadata.set("grpc-timeout", timeoutText(call.deadline - env.clock.now()));
  }
  return metadata;
}

/** At most eight digits and a unit. Source: grpc/grpc doc/PROTOCOL-HTTP2.md, TimeoutValue. */
function timeoutText(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  return whole < 1e8 ? `${whole}m` : `${Math.min(99_999_999, Math.ceil(whole / 1000))}S`;
}

/** grpc-js calls from its own loop: what is thrown here would end the process. */
function faultFor(status: StatusObject, { maxMessageBytes, faultOf }: GrpcClientOptions): InferError {
  try {
    return grpcFault(statusOf(status), maxMessageBytes, faultOf);
  } catch (error) {
    return asInferError(error);
  }
}

function statusOf({ code, details, metadata }: Partial<StatusObject>): GrpcStatus {
  const trailers = new Map<string, string>();
  for (const [name, value] of Object.entries(metadata?.getMap() ?? {})) {
    trailers.set(name, typeof value === "string" ? value : value.toString("base64"));
  }
  // nothing is known of a message that grpc-js could not unpack
  return { code: code ?? codes.INTERNAL, details: details ?? "Protocol error", trailers };
}

function lineOf(options: GrpcClientOptions): Line {
  return { channel: channelOf(options), calls: 0 };
}

function channelOf(options: GrpcClientOptions): Channel {
  const { url, address, tls, proxy } = options;
  const isSecure = url.protocol === "https:" || url.protocol === "grpcs:";
  const port = url.port || (isSecure ? "443" : "80");
  const authority = `${url.hostname}:${port}`;
  const there = address === undefined ? authority : `${address.includes(":") ? `[${address}]` : address}:${port}`;
  const through =
    proxy === undefined ? undefined : proxyFor(new URL(`${isSecure ? "https" : "http"}://${authority}`), proxy);
  const creds = through === undefined ? undefined : proxyCredentials(through);
  const target = through === undefined ? there : `${through.hostname}:${through.port || "80"}`;
  const channel: ChannelOptions = {
    "grpc.default_authority": tls?.serverName ?? authority,
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": options.keepaliveMs ?? KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.initial_reconnect_backoff_ms": FIRST_BACKOFF_MS,
    "grpc.max_reconnect_backoff_ms": MOST_BACKOFF_MS,
    "grpc.dns_min_time_between_resolutions_ms": RESOLVE_MS,
    // retries are the policies'; a service's config is ours
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    // the connections of this client end with it
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
    // process.env is read by the command line only
    "grpc.enable_http_proxy": 0,
    "grpc-node.flow_control_window": options.windowBytes ?? WINDOW_BYTES,
    ...nameOf(options),
    ...(through === undefined ? {} : { "grpc.http_connect_target": `dns:${there}` }),
    ...(creds === undefined ? {} : { "grpc.http_connect_creds": creds }),
  };
  return new Channel(`dns:${target}`, isSecure ? secure(tls, url.hostname) : credentials.createInsecure(), channel);
}

function secure(tls: ClientTls | undefined, hostname: string) {
  const check =
    tls?.insecure === true
      ? { rejectUnauthorized: false, checkServerIdentity: () => undefined }
      : tls?.serverName === undefined && isIP(bare(hostname)) !== 0
        ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(bare(hostname), cert) }
        : {};
  return credentials.createSsl(pem(tls?.ca), pem(tls?.key), pem(tls?.cert), check);
}

/**
 * What is sent as the server's name where only its address is known: grpc-js would send the address, which TLS forbids
 * (RFC 6066, 3) and Node refuses. The certificate is checked against the address.
 */
const NAME_OF_ADDRESS = "address.invalid";

/** The name for the handshake, where grpc-js must not take the target's. */
function nameOf({ url, address, tls }: GrpcClientOptions): ChannelOptions {
  const isAddress = isIP(bare(url.hostname)) !== 0;
  const own = isAddress ? NAME_OF_ADDRESS : address === undefined ? undefined : url.hostname;
  const name = tls?.serverName ?? own;
  return name === undefined ? {} : { "grpc.ssl_target_name_override": name };
}

function bare(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

function pem(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes);
}

function prefixOf(url: URL): string {
  return url.pathname.replace(/\/+$/, "");
}

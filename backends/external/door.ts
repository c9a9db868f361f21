// What a kind is given to open its connection to one server: clients, signatures and headers, as the config has them.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Door, GrpcClient, GrpcDoor, HttpClient, HttpDoor, Waiting } from "../connection.ts";
import type { GrpcClientOptions } from "../grpc-client.ts";
import type { HttpClientOptions } from "../http-client.ts";
import type { RenewableTls } from "../tls.ts";
import { headersBack, headersOf } from "./headers.ts";
import type { SharedWords } from "./words.ts";

/** How clients are opened; tests put their own in place. */
export interface Clients {
  http(options: HttpClientOptions): HttpClient;
  grpc(options: GrpcClientOptions): GrpcClient;
}

export interface DoorOptions {
  readonly backend: string;
  /** The endpoint's id. */
  readonly endpoint: string;
  readonly url: URL;
  /** Where the URL's host was found, when that is known. */
  readonly address?: string;
  readonly words: SharedWords;
  readonly tls: RenewableTls;
  readonly env: Env;
  readonly run: RunSliced;
  readonly clients: Clients;
  readonly signature: Door["signature"];
}

/** A door, and the way to close what was opened through it. */
export interface OpenDoor extends Door {
  /** Closes every client that was opened, whether or not its connection did. */
  close(): Promise<void>;
}

/** Connections beyond those of calls, for checks and questions about models. */
const MORE_CONNECTIONS = 4;

export function openDoor(options: DoorOptions): OpenDoor {
  const { words, env, tls, clients, url } = options;
  const open: { close(): Promise<void> }[] = [];
  const kept = <C extends { close(): Promise<void> }>(client: C): C => {
    open.push(client);
    return client;
  };
  const addressOf = (asked: URL) => {
    const { address } = options;
    return address === undefined || asked.hostname !== url.hostname ? {} : { address };
  };
  const common = { env, proxy: env.variables, ...tls };
  return {
    backend: options.backend,
    endpoint: options.endpoint,
    url,
    env,
    run: options.run,
    http: (asked: HttpDoor = {}) => {
      const client = clients.http({
        ...common,
        url: asked.url ?? url,
        ...addressOf(asked.url ?? url),
        connections: words.limits.inFlight + MORE_CONNECTIONS,
        timeouts: {
          connectMs: words.timeouts.connect,
          headersMs: words.timeouts.headers,
          bodyMs: words.timeouts.body,
        },
        maxAnswerBytes: words.limits.answer,
        ...(asked.pipelining === undefined ? {} : { pipelining: asked.pipelining }),
      });
      return kept(words.headers.back.length === 0 ? client : telling(client, words));
    },
    grpc: (asked: GrpcDoor = {}) =>
      kept(
        clients.grpc({
          ...common,
          url: asked.url ?? url,
          ...addressOf(asked.url ?? url),
          connectTimeoutMs: words.timeouts.connect,
          maxMessageBytes: words.limits.answer,
          ...(asked.faultOf === undefined ? {} : { faultOf: asked.faultOf }),
        }),
      ),
    signature: options.signature,
    headers: headersOf(words.headers),
    async close() {
      await Promise.all(open.splice(0).map((client) => client.close()));
    },
  };
}

/** The client, telling the trace of a call which headers of its answer the caller may have. */
function telling(client: HttpClient, { headers }: SharedWords): HttpClient {
  const learn = <A extends { readonly headers: ReadonlyMap<string, string> }>(waiting: Waiting, answer: A): A => {
    const found = headersBack(headers, answer.headers);
    // a call is waited for with its trace, a check without
    if (found !== undefined && "trace" in waiting) (waiting as Call).trace.learn({ headers: found });
    return answer;
  };
  return {
    ask: async (ask, waiting) => learn(waiting, await client.ask(ask, waiting)),
    stream: async (ask, waiting) => learn(waiting, await client.stream(ask, waiting)),
    close: () => client.close(),
  };
}

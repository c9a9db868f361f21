// The connection to the shared store, Valkey or Redis: the one door to its client, which nobody behind it ever waits on for long.

import { type ChainableCommander, Redis, type RedisOptions } from "ioredis";
import type { StoreConfig } from "../config/config.ts";
import type { Clock, Env } from "../core/env.ts";
import { type Asked, openAsks } from "./valkey/asks.ts";

/** A command by its name in the protocol, with its arguments as they go out. */
export type Command = readonly [name: string, ...args: (string | number | Uint8Array)[]];

/** What the server said to one command: text as bytes, a list of answers, nothing, or an error of its own. */
export type Answer = Uint8Array | number | null | Error | readonly Answer[];

/** What is heard on a channel. */
export interface Ears {
  heard(message: string): void;
  /** It listens from now on, for the first time or again: what was said before was not heard. */
  listening(): void;
}

/** The store, which may be away at any time and never shows it by an error or a wait beyond its time-out. */
export interface Valkey {
  /** Whether an ask would be sent now. */
  available(): boolean;
  /** The answers to the commands, sent in one go; undefined when they did not come in time, or the store is known to be away. */
  ask(commands: readonly Command[]): Promise<readonly Answer[] | undefined>;
  /** Listens on a channel, over a connection of its own; the answer ends that. */
  listen(channel: string, ears: Ears): () => void;
  close(): Promise<void>;
}

/** Asks that have gone out and are not answered: what waits in the socket of a store that has stopped is bounded by this. */
const MAX_IN_FLIGHT = 512;
/** A connection that is being made has this long; one that is silent for as long though it was asked is made anew. */
const CONNECT_MS = 2_000;
const RECONNECT_MAX_MS = 2_000;
/** A connection that only listens asks this often, so that its silence is noticed. */
const PING_MS = 2_000;

/** Opens at once: the connection comes when the store is there, and until then every ask is answered with nothing. */
export function openValkey({ valkey, timeoutMs }: Pick<StoreConfig, "valkey" | "timeoutMs">, env: Env): Valkey {
  const options = {
    // what every server speaks
    protocol: 2,
    // nothing waits for a connection: what cannot be sent now is answered with nothing
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_MS,
    socketTimeout: CONNECT_MS,
    noDelay: true,
    retryStrategy: (tries: number) =>
      Math.min(100 * 2 ** Math.min(tries, 6), RECONNECT_MAX_MS) * (0.8 + 0.4 * env.random()),
  } satisfies RedisOptions;
  const client = new Redis(url(valkey), options);
  const noted = (result: Asked) => env.emit({ type: "store-asked", result });
  let why = "";
  // the connection's own errors, each said once until it is back
  client.on("error", (error: Error) => {
    if (error.message === why) return;
    why = error.message;
    env.log.warn({ reason: why }, "the shared store cannot be reached: each replica goes on with its own memory");
  });
  client.on("ready", () => {
    if (why !== "") env.log.info({}, "the shared store is back");
    why = "";
  });
  const asks = openAsks({
    clock: env.clock,
    random: env.random,
    timeoutMs,
    maxInFlight: MAX_IN_FLIGHT,
    // timers come before the sockets in a turn of the loop, and this after them
    afterReading: setImmediate,
    noted,
    tripped: (reason) =>
      env.log.warn({ reason: String(reason) }, "the shared store is too slow or fails: it is left alone for a while"),
    recovered: () => env.log.info({}, "the shared store answers again"),
  });
  const listeners = new Set<Redis>();
  return {
    available: () => client.status === "ready" && asks.available(),
    ask(commands) {
      if (client.status !== "ready") {
        noted("skipped");
        return Promise.resolve(undefined);
      }
      return asks.ask(() => send(client, commands));
    },
    listen(channel, ears) {
      const listener = new Redis(url(valkey), { ...options, autoResubscribe: false });
      listeners.add(listener);
      // the other connection says what is wrong
      listener.on("error", () => {});
      listener.on("message", (_channel: string, message: string) => ears.heard(message));
      listener.on("ready", () => {
        listener.subscribe(channel).then(ears.listening, () => listener.disconnect(true));
      });
      const stopPings = repeat(env.clock, PING_MS, () => {
        if (listener.status === "ready") listener.ping().catch(() => {});
      });
      return () => {
        stopPings();
        listeners.delete(listener);
        listener.disconnect();
      };
    },
    async close() {
      asks.close();
      for (const listener of listeners) listener.disconnect();
      client.disconnect();
    },
  };
}

function repeat(clock: Clock, everyMs: number, work: () => void): () => void {
  let stop = clock.after(everyMs, again);
  function again() {
    work();
    stop = clock.after(everyMs, again);
  }
  return () => stop();
}

/** @throws when the connection was lost; what the server itself refuses is an answer */
async function send(client: Redis, commands: readonly Command[]): Promise<readonly Answer[]> {
  const pipeline: ChainableCommander = client.pipeline();
  for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args.map(argument));
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, answer]) => {
    if (error !== null && error.name !== "ReplyError") throw error;
    return error ?? (answer as Answer);
  });
}

/** Bytes as the client takes them, without a copy. */
function argument(value: string | number | Uint8Array): string | number | Buffer {
  if (!(value instanceof Uint8Array)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** The client knows the schemes of Redis only. */
function url(text: string): string {
  return text.replace(/^valkey(s?):/, "redis$1:");
}

// `sluice serve`: runs the gateway until it is told to stop.

import { checkListen } from "../../config/check.ts";
import { targetsOfModel } from "../../config/complete.ts";
import type { Address, Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { formatAddress, parseAddress } from "../../config/words.ts";
import { systemClock, tuneHeap } from "../env.ts";
import { followFile } from "../follow-file.ts";
import { kinds } from "../kinds.ts";
import { openLog } from "../log.ts";
import { type Running, serve } from "../main.ts";
import type { LoadText } from "../reload.ts";
import { serverMetadata } from "../version.ts";
import { banner, type Served } from "./banner.ts";
import { type Client, type ModelInfo, openClient } from "./client.ts";
import { requireConfig } from "./config-file.ts";
import { findExample } from "./example.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { paintFor } from "./paint.ts";

export interface ServeCommand {
  readonly config?: string;
  /** Addresses in place of those of the config. */
  readonly http?: string;
  readonly grpc?: string;
  readonly admin?: string;
}

/** How long the banner waits for models to load; the gateway serves meanwhile. */
const BANNER_WAIT_MS = 15_000;
/** How long load balancers are given to notice, where neither the config nor a terminal says otherwise. */
const DRAIN_DELAY_MS = 5000;

/** A second signal within this time is an echo of the first; after it, impatience. */
const SAME_SIGNAL_MS = 1000;

/**
 * Serves until SIGINT or SIGTERM, and then until everything in flight is answered; 0 then. After a fault that nobody caught
 * and that belongs to no request it does the same and gives 70.
 */
export async function runServe(io: Io, options: ServeCommand): Promise<number> {
  const { text, file, ...read } = await requireConfig(io, options.config);
  const config = withAddresses(read.config, options);
  const log = openLog({ level: config.log.level, pretty: io.errTerminal });
  const told = nextSignal(io);
  tuneHeap();
  let running: Running;
  try {
    running = await serve({ config, log, variables: io.env, source: { text, load: loaderFor(io, file, options) } });
  } catch (error) {
    log.flush();
    throw error;
  }
  const stopFollowing = followFile({ file, changes: running.changes, onHangup: io.onHangup, clock: systemClock, log });
  const broken = brokenProcess(io, running);
  const ended = Promise.race([told, broken]);
  const signal = (await Promise.race([ended, greet(io, running)])) ?? (await ended);
  const asked = systemClock.now();
  await stopFollowing();
  const forget = io.onSignal((again) => {
    // npm passes on a signal that a terminal has sent already: one wish, told twice
    if (systemClock.now() - asked > SAME_SIGNAL_MS) io.die(again);
  });
  const asSignal = signal === "fault" ? "SIGTERM" : signal;
  const end = await running.stop({ drainDelayMs: drainDelayMs(config, { signal: asSignal, terminal: io.terminal }) });
  forget();
  if (end === "cut") io.die(asSignal);
  return signal === "fault" ? EXIT.fault : EXIT.ok;
}

/** Resolves when something was thrown after which the process should not go on; its supervisor starts another. */
function brokenProcess(io: Io, running: Running): Promise<"fault"> {
  return new Promise((resolve) => {
    io.onFault((error) => {
      if (running.caught(error) === "process") resolve("fault");
    });
  });
}

type Signal = "SIGINT" | "SIGTERM";

/** Reads every later config as the first one was read: by the same file name, and with the addresses of the command line. */
function loaderFor(io: Io, file: string, options: ServeCommand): LoadText {
  return (text, overrides) => {
    const loaded = loadConfig({ text, file, env: io.env, overrides }, kinds);
    if (!loaded.ok) return loaded;
    try {
      return { ...loaded, config: withAddresses(loaded.config, options) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, mistakes: [{ path: "", line: undefined, column: undefined, message }] };
    }
  };
}

/** What the config says; else none on a terminal or for ^C, where nobody balances load and somebody waits. */
export function drainDelayMs(
  config: Pick<Config, "drainDelayMs">,
  told: { readonly signal: Signal; readonly terminal: boolean },
): number {
  if (config.drainDelayMs !== undefined) return config.drainDelayMs;
  return told.terminal || told.signal === "SIGINT" ? 0 : DRAIN_DELAY_MS;
}

function nextSignal(io: Io): Promise<Signal> {
  return new Promise((resolve) => {
    const forget = io.onSignal((signal) => {
      forget();
      resolve(signal);
    });
  });
}

/** The config with other addresses, checked as those of a config are. */
export function withAddresses(config: Config, options: Pick<ServeCommand, "http" | "grpc" | "admin">): Config {
  const http = options.http === undefined ? undefined : readAddress("--http", options.http);
  const grpc = options.grpc === undefined ? undefined : readAddress("--grpc", options.grpc);
  const admin = options.admin === undefined ? undefined : readAddress("--admin", options.admin);
  const listen = {
    ...config.listen,
    ...(http === undefined ? {} : { http }),
    ...(grpc === undefined ? {} : { grpc }),
    ...(admin === undefined ? {} : { admin }),
  };
  const [fault] = checkListen(listen, config.admin?.token);
  if (fault !== undefined) throw new CliError(`${fault.path.join(".")}: ${fault.message}`, EXIT.usage);
  return { ...config, listen };
}

function readAddress(option: string, text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new CliError(`${option}: expected host:port such as 127.0.0.1:8000, got ${JSON.stringify(text)}`, EXIT.usage);
}

async function greet(io: Io, running: Running): Promise<undefined> {
  const waited = new Promise<void>((resolve) => systemClock.after(BANNER_WAIT_MS, resolve));
  await Promise.race([running.settled(), waited]);
  try {
    io.out(`${banner(await factsOf(running), paintFor(io))}\n`);
  } catch (error) {
    // the gateway serves all the same, or is about to stop
    io.err(`sluice: expected to ask the gateway what it serves: ${error instanceof Error ? error.message : error}\n`);
  }
}

/** What there is to say of a gateway that runs. */
export async function factsOf(running: Running): Promise<Served> {
  const { addresses, config } = running;
  const http = addresses.http === undefined ? undefined : urlOf(addresses.http);
  const { models, waiting } = http === undefined ? { models: [], waiting: [] } : await askModels(openClient(http));
  const there = new Set(config.models?.flatMap((model) => targetsOfModel(model).map((target) => target.model)));
  return {
    version: serverMetadata().version,
    configFile: config.file,
    http,
    admin: addresses.admin === undefined ? undefined : urlOf(addresses.admin),
    grpc: addresses.grpc === undefined ? undefined : new URL(urlOf(addresses.grpc)).host,
    models,
    waiting,
    // a server may have many models that nobody named
    notReady: running
      .models()
      .filter(({ name, state }) => state !== "ready" && (config.models === undefined || there.has(name))),
    example: await findExample(config, models),
  };
}

async function askModels(
  client: Client,
): Promise<{ readonly models: readonly ModelInfo[]; readonly waiting: readonly string[] }> {
  const known = await client.models();
  const asked = await Promise.allSettled(known.map(({ name }) => client.metadata(name)));
  const models = asked.flatMap((one, i) => (one.status === "fulfilled" && known[i]?.ready === true ? [one.value] : []));
  const waiting = asked.flatMap((one, i) => {
    const { name = "", ready } = known[i] ?? {};
    if (one.status === "fulfilled") return ready === true ? [] : [`model "${name}" is not ready`];
    return [one.reason instanceof Error ? one.reason.message : String(one.reason)];
  });
  return { models, waiting };
}

/** A URL that reaches the address from this machine. */
export function urlOf(address: Address): string {
  const host = address.host === "0.0.0.0" ? "127.0.0.1" : address.host === "::" ? "::1" : address.host;
  return `http://${formatAddress({ host, port: address.port })}`;
}

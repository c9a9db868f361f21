// The life of a gateway: opens the listeners over an assembly, drains and stops.

import { resolve } from "node:path";
import type { Address, Config } from "../config/config.ts";
import type { Override } from "../core/change.ts";
import type { Env } from "../core/env.ts";
import type { ModelStatus } from "../core/model.ts";
import { policyKinds } from "../policies/registry.ts";
import { openBudget } from "./budget.ts";
import { refuseOpenDebug } from "./debug.ts";
import { isoTime, loopCount, systemClock, systemEnv } from "./env.ts";
import { openGrpc } from "./grpc.ts";
import { type History, openFileHistory, openMemoryHistory } from "./history.ts";
import { openHttp } from "./http.ts";
import { openIntake } from "./intake.ts";
import type { Listener } from "./listener.ts";
import { openLog, type ProcessLog } from "./log.ts";
import { openMetrics } from "./metrics.ts";
import { canonical } from "./parts.ts";
import { passthroughsOf } from "./passthrough/targets.ts";
import { replay } from "./plan.ts";
import { bytesOf, type ProcessWatch, watchProcess } from "./process.ts";
import { adminProtocol } from "./protocols/admin.ts";
import { breakersProtocol } from "./protocols/breakers.ts";
import { cacheProtocol } from "./protocols/cache.ts";
import { changesProtocol } from "./protocols/changes.ts";
import { explainProtocol } from "./protocols/explain.ts";
import { protocols } from "./protocols/registry.ts";
import { behindToken } from "./protocols/token.ts";
import { type FileChanges, type LoadText, openChanges } from "./reload.ts";
import { openTrees, settled, type Trees } from "./trees.ts";

export interface ServeOptions {
  readonly config: Config;
  /** The process's log; one that says nothing when absent. */
  readonly log?: ProcessLog;
  /** The environment variables that proxies and credentials of backends are taken from; none when absent. */
  readonly variables?: Env["variables"];
  /** Where the config came from, so that it can be changed while the gateway runs; only `reload` changes it when absent. */
  readonly source?: ConfigSource;
}

/** A config as it was written, and how such a text is read. */
export interface ConfigSource {
  readonly text: string;
  readonly load: LoadText;
}

/** A gateway that serves. */
export interface Running {
  readonly config: Config;
  /** Where it listens: the real ports where 0 was asked for. */
  readonly addresses: { readonly http?: Address; readonly grpc?: Address; readonly admin?: Address };
  /** Every version of every model that the backends know, with its state. */
  models(): readonly ModelStatus[];
  /** Resolves when every model that was there at the start is either ready or known not to be. */
  settled(): Promise<void>;
  /**
   * Puts another config in force, whole and in one step; requests in flight finish on the one that they began with. What
   * listeners are made of (`listen`, `limits`, `log`) stays as it was at the start.
   *
   * @throws InferError invalid-argument when the config makes no sense; then the one in force stays
   */
  reload(config: Config): Promise<void>;
  /** What operators may change; undefined where nobody has said how a config is read. */
  readonly changes: FileChanges | undefined;
  /** To be told of what nobody caught; see `ProcessFaults.caught`. */
  caught(error: unknown): "request" | "process";
  /**
   * Not ready at once; goes on accepting for `drainDelayMs` while every answer asks its client to go elsewhere; then
   * stops accepting, finishes what is in flight (at most the config's drain limit) and lets go of everything. `cut`
   * when a run had not ended ten seconds after that limit: then the process must not exit in the ordinary way, which inside a
   * run of ONNX Runtime ends in an abort.
   */
  stop(options?: { readonly drainDelayMs?: number }): Promise<"whole" | "cut">;
}

/** @throws InferError when a listener cannot be opened or the config makes no sense; nothing is left open then */
export async function serve(options: ServeOptions): Promise<Running> {
  const log = options.log ?? openLog({ level: "silent", pretty: false });
  refuseOpenDebug(options.config);
  const { config, history, overrides } = beginning(options, log);
  const open: Listeners = {};
  const metrics = openMetrics({
    inFlightBytes: () => budget.usedBytes,
    inFlightRequests: () => frontsOf(open).reduce((sum, one) => sum + one.inFlight, 0),
    lateness: () => watch.lateness(),
  });
  const env = systemEnv({ log, emit: metrics.count, variables: options.variables ?? {} });
  const watch = watchProcess(
    config.limits,
    Object.values(config.listen).filter((one) => one !== undefined).length,
    env,
  );
  const budget = openBudget(bytesOf(config.limits.inFlight), watch.refusal);
  const state: State = { phase: "starting" };
  const trees = await openTrees(config, env).catch((error: unknown) => {
    history.close();
    watch.close();
    throw error;
  });
  const replace = replacer({ config, trees });
  const changes =
    options.source === undefined
      ? undefined
      : openChanges({
          ...options.source,
          overrides,
          history,
          kinds: policyKinds,
          config: () => trees.current.config,
          replace,
          replay: (after) => replayOver(trees, { after, env }),
          time: () => isoTime(systemClock.wall()),
          log,
        });
  try {
    const common = {
      hold: trees.hold,
      limits: config.limits,
      budget,
      intake: openIntake({ clock: systemClock, loops: loopCount, patienceMs: config.limits.lagMs }),
      env,
      faults: watch.faults,
      maxConnections: watch.maxConnections,
    };
    const { http, grpc, admin } = config.listen;
    if (admin !== undefined) {
      const operators = [
        explainProtocol,
        breakersProtocol,
        cacheProtocol,
        ...(changes === undefined ? [] : [changesProtocol(changes)]),
      ];
      const table = [
        adminProtocol({ expose: metrics.expose, readiness: () => readiness(state) }),
        ...operators.map((one) => behindToken(one, config.admin?.token)),
      ];
      open.admin = await openHttp({ name: "admin", address: admin, protocols: table, ...common });
    }
    if (http !== undefined) {
      const table = protocols.filter((protocol) => protocol.listener === "http");
      const passthrough = passthroughsOf(config, () => trees.current);
      open.http = await openHttp({ name: "http", address: http, protocols: table, passthrough, ...common });
    }
    if (grpc !== undefined) {
      const table = protocols.filter((protocol) => protocol.listener === "grpc");
      open.grpc = await openGrpc({ address: grpc, protocols: table, ...common });
    }
    state.phase = "serving";
    return running({ config, trees, open, state, log, replace, changes, history, watch });
  } catch (error) {
    await closeAll([...frontsOf(open), ...(open.admin === undefined ? [] : [open.admin])], 0);
    await trees.close();
    history.close();
    watch.close();
    throw error;
  }
}

/** The listeners that are open: those for clients, and the operator's. */
interface Listeners {
  http?: Listener;
  grpc?: Listener;
  admin?: Listener;
}

function frontsOf({ http, grpc }: Listeners): readonly Listener[] {
  return [http, grpc].filter((one) => one !== undefined);
}

interface State {
  phase: "starting" | "serving" | "draining" | "stopped";
}

function readiness(state: State): { readonly ready: boolean; readonly why: string } {
  return { ready: state.phase === "serving", why: state.phase === "serving" ? "ok" : state.phase };
}

interface Life {
  /** The config that it started with: its listeners and limits are those of this one. */
  readonly config: Config;
  readonly trees: Trees;
  readonly open: Listeners;
  readonly state: State;
  readonly log: ProcessLog;
  readonly replace: (config: Config) => Promise<readonly string[]>;
  readonly changes: FileChanges | undefined;
  readonly history: History;
  readonly watch: ProcessWatch;
}

interface Beginning {
  readonly config: Config;
  readonly history: History;
  /** Those that an operator made before the process was started again. */
  readonly overrides: readonly Override[];
}

/** The config to start with: that of the file, with the overrides that have outlived the last process. */
function beginning({ config, source }: ServeOptions, log: ProcessLog): Beginning {
  const file = config.admin?.history;
  if (source === undefined || file === undefined) return { config, history: openMemoryHistory(), overrides: [] };
  const history = openFileHistory(resolve(config.baseDir, file));
  const kept = history.list()[0]?.overrides ?? [];
  if (kept.length === 0) return { config, history, overrides: [] };
  const loaded = source.load(source.text, kept);
  if (!loaded.ok) {
    const reasons = loaded.mistakes.map(({ path, message }) => `${path}: ${message}`);
    log.warn({ reasons }, "the overrides of the last run do not fit the config any longer and are dropped");
    return { config, history, overrides: [] };
  }
  for (const warning of loaded.warnings) log.warn({}, warning);
  return { config: loaded.config, history, overrides: loaded.overrides };
}

function replayOver({ current }: Trees, { after, env }: { readonly after: Config; readonly env: Env }) {
  const { config, recent, planes } = current;
  return replay({ before: config, after, recent: recent.list(), data: planes.data, env, run: planes.run });
}

/** Puts a config in force, and says which of its words wait for a restart and what is wrong in models that went on. */
function replacer(at: Pick<Life, "config" | "trees">): Life["replace"] {
  return async (next) => {
    refuseOpenDebug({ listen: at.config.listen, debug: next.debug });
    const { warnings } = await at.trees.replace(next);
    const later = needsRestart(at.config, next).map((word) => `${word}: changed, and in force after a restart`);
    return [...later, ...warnings];
  };
}

function running(life: Life): Running {
  const { config, trees, open, log } = life;
  const { http, grpc, admin } = open;
  const list = () => trees.current.backends.flatMap((backend) => backend.catalog.list());
  let stopped: ReturnType<Running["stop"]> | undefined;
  return {
    get config() {
      return trees.current.config;
    },
    addresses: {
      ...(http === undefined ? {} : { http: http.address }),
      ...(grpc === undefined ? {} : { grpc: grpc.address }),
      ...(admin === undefined ? {} : { admin: admin.address }),
    },
    models: list,
    settled: () => settled(trees.current),
    async reload(next) {
      for (const warning of await life.replace(next)) log.warn({}, warning);
      log.info({ config: next.file }, "the config was changed");
    },
    changes: life.changes,
    caught: life.watch.faults.caught,
    stop(options = {}) {
      stopped ??= stop(life, options.drainDelayMs ?? config.drainDelayMs ?? 0).finally(() => log.flush());
      return stopped;
    },
  };
}

/** The words of a config that are read once, when the process starts. */
const AT_START = ["listen", "limits", "log", "passthrough", "admin"] as const;

function needsRestart(before: Config, next: Config): readonly string[] {
  const text = (value: unknown) => canonical(value instanceof Map ? [...value] : value);
  return AT_START.filter((word) => text(before[word]) !== text(next[word]));
}

/** Runs whose clients have been cut off at the drain limit have this long to end, in milliseconds. */
const RUN_GRACE_MS = 10_000;

async function stop(life: Life, drainDelayMs: number): Promise<"whole" | "cut"> {
  const { config, trees, open, state, log } = life;
  state.phase = "draining";
  for (const front of frontsOf(open)) front.drain();
  log.info({ drainDelayMs }, "draining: still accepting while load balancers notice");
  await delay(drainDelayMs);
  await closeAll(frontsOf(open), config.drainLimitMs);
  const limit = delay(RUN_GRACE_MS).then(() => "cut" as const);
  const end = await Promise.race([trees.close().then(() => "whole" as const), limit]);
  // last, so that /readyz says 503 to the end
  await open.admin?.close(0);
  life.history.close();
  life.watch.close();
  state.phase = "stopped";
  if (end === "whole") log.info({}, "stopped");
  else log.error({ graceMs: RUN_GRACE_MS }, "stopped while a run was still going on");
  return end;
}

async function closeAll(listeners: readonly Listener[], limitMs: number): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close(limitMs)));
}

function delay(ms: number): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve) => systemClock.after(ms, resolve));
}

// The life of a gateway: opens the listeners over an assembly, drains and stops.

import type { Address, Config } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { ModelStatus } from "../core/model.ts";
import { type Assembly, assemble } from "./assemble.ts";
import { openBudget } from "./budget.ts";
import { memoryBytes, systemClock, systemEnv } from "./env.ts";
import { openGrpc } from "./grpc.ts";
import { openHttp } from "./http.ts";
import { openIntake } from "./intake.ts";
import type { Listener } from "./listener.ts";
import { openLog, type ProcessLog } from "./log.ts";
import { openMetrics } from "./metrics.ts";
import { passthroughsOf } from "./passthrough/targets.ts";
import { adminProtocol } from "./protocols/admin.ts";
import { explainProtocol } from "./protocols/explain.ts";
import { protocols } from "./protocols/registry.ts";

export interface ServeOptions {
  readonly config: Config;
  /** The process's log; one that says nothing when absent. */
  readonly log?: ProcessLog;
  /** The environment variables that proxies and credentials of backends are taken from; none when absent. */
  readonly variables?: Env["variables"];
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
   * Not ready at once; goes on accepting for `drainDelayMs` while every answer asks its client to go elsewhere; then
   * stops accepting, finishes what is in flight (at most the config's drain limit) and lets go of everything. `cut`
   * when a run had not ended ten seconds after that limit: then the process must not exit in the ordinary way, which inside a
   * run of ONNX Runtime ends in an abort.
   */
  stop(options?: { readonly drainDelayMs?: number }): Promise<"whole" | "cut">;
}

/** @throws InferError when a listener cannot be opened or the config makes no sense; nothing is left open then */
export async function serve(options: ServeOptions): Promise<Running> {
  const { config } = options;
  const log = options.log ?? openLog({ level: "silent", pretty: false });
  const open: Listeners = {};
  const budget = openBudget(inFlightBytes(config));
  const metrics = openMetrics({
    inFlightBytes: () => budget.usedBytes,
    inFlightRequests: () => frontsOf(open).reduce((sum, one) => sum + one.inFlight, 0),
  });
  const env = systemEnv({ log, emit: metrics.count, variables: options.variables ?? {} });
  const state: State = { phase: "starting" };
  const assembly = await assemble(config, env);
  try {
    const common = {
      planes: () => assembly.planes,
      limits: config.limits,
      budget,
      intake: openIntake(systemClock),
      env,
    };
    const { http, grpc, admin } = config.listen;
    if (admin !== undefined) {
      const table = [adminProtocol({ expose: metrics.expose, readiness: () => readiness(state) }), explainProtocol];
      open.admin = await openHttp({ name: "admin", address: admin, protocols: table, ...common });
    }
    if (http !== undefined) {
      const table = protocols.filter((protocol) => protocol.listener === "http");
      const passthrough = passthroughsOf(config, assembly.backends);
      open.http = await openHttp({ name: "http", address: http, protocols: table, passthrough, ...common });
    }
    if (grpc !== undefined) {
      const table = protocols.filter((protocol) => protocol.listener === "grpc");
      open.grpc = await openGrpc({ address: grpc, protocols: table, ...common });
    }
    state.phase = "serving";
    return running({ config, assembly, open, state, log });
  } catch (error) {
    await closeAll([...frontsOf(open), ...(open.admin === undefined ? [] : [open.admin])], 0);
    await assembly.close();
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
  readonly config: Config;
  readonly assembly: Assembly;
  readonly open: Listeners;
  readonly state: State;
  readonly log: ProcessLog;
}

function running(life: Life): Running {
  const { config, assembly, open, log } = life;
  const { http, grpc, admin } = open;
  const list = () => assembly.backends.flatMap((backend) => backend.catalog.list());
  let stopped: ReturnType<Running["stop"]> | undefined;
  return {
    config,
    addresses: {
      ...(http === undefined ? {} : { http: http.address }),
      ...(grpc === undefined ? {} : { grpc: grpc.address }),
      ...(admin === undefined ? {} : { admin: admin.address }),
    },
    models: list,
    settled: () => settled(assembly),
    stop(options = {}) {
      stopped ??= stop(life, options.drainDelayMs ?? config.drainDelayMs ?? 0).finally(() => log.flush());
      return stopped;
    },
  };
}

/** Runs whose clients have been cut off at the drain limit have this long to end, in milliseconds. */
const RUN_GRACE_MS = 10_000;

async function stop(life: Life, drainDelayMs: number): Promise<"whole" | "cut"> {
  const { config, assembly, open, state, log } = life;
  state.phase = "draining";
  for (const front of frontsOf(open)) front.drain();
  log.info({ drainDelayMs }, "draining: still accepting while load balancers notice");
  await delay(drainDelayMs);
  await closeAll(frontsOf(open), config.drainLimitMs);
  const limit = delay(RUN_GRACE_MS).then(() => "cut" as const);
  const end = await Promise.race([assembly.close().then(() => "whole" as const), limit]);
  // last, so that /readyz says 503 to the end
  await open.admin?.close(0);
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

function settled(assembly: Assembly): Promise<void> {
  const isSettled = () =>
    assembly.backends.every((backend) => backend.catalog.list().every((status) => status.state !== "loading"));
  return new Promise((resolve) => {
    if (isSettled()) {
      resolve();
      return;
    }
    const stops = assembly.backends.map((backend) =>
      backend.catalog.onChange(() => {
        if (!isSettled()) return;
        for (const stopListening of stops) stopListening();
        resolve();
      }),
    );
  });
}

function inFlightBytes(config: Config): number {
  const { inFlight } = config.limits;
  return "bytes" in inFlight ? inFlight.bytes : Math.floor(memoryBytes() * inFlight.fraction);
}

// A server that a test plays: what it has and how it is are set by hand, and every question to it is counted.

import type { Connection, Door } from "../../../../backends/connection.ts";
import type { Seams } from "../../../../backends/external/backend.ts";
import type { Resolver } from "../../../../backends/external/discovery.ts";
import { externalKind } from "../../../../backends/external.ts";
import { parseYaml } from "../../../../config/load.ts";
import type { Backend } from "../../../../core/backend.ts";
import { type OwnedCall, openCall } from "../../../../core/call.ts";
import { InferError } from "../../../../core/error.ts";
import type { ModelMetadata, ModelStatus, Signature } from "../../../../core/model.ts";
import type { RunSliced } from "../../../../core/run.ts";
import type { Service } from "../../../../core/service.ts";
import { runNow } from "../../../../wire/sliced.ts";
import { type FakeEnv, fakeEnv } from "../../../support/fake-env.ts";
import { type Handle, scripted } from "../../../support/scripted.ts";

/** One server that somebody plays. */
export interface FakeServer {
  /** What it says it is. */
  word: string;
  /** Undefined: it is well. */
  fault: InferError | undefined;
  /** It takes questions and answers none. */
  hangs: boolean;
  models: readonly ModelStatus[];
  /** By model; a model without one cannot be told. */
  signatures: Record<string, Signature>;
  /** What an operator can do there; nothing when absent. */
  readonly control?: NonNullable<Connection["control"]>;
  readonly handle: Handle;
  readonly infer: Service;
  readonly asked: { health: number; models: number; metadata: number };
  /** The models that were wanted when it was last asked. */
  wanted: readonly string[];
  opened: number;
  closed: number;
  doors: Door[];
}

export const UNREACHABLE = new InferError("unavailable", "no connection");

export function ready(name: string, version = "1"): ModelStatus {
  return { name, version, state: "ready" };
}

export const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
  batchDim: 0,
};

export function fakeServer(init: Partial<FakeServer> = {}): FakeServer {
  const { service, handle } = scripted();
  return {
    word: "fake 1.0",
    fault: undefined,
    hangs: false,
    models: [ready("m")],
    signatures: { m: SIGNATURE },
    handle,
    infer: service,
    asked: { health: 0, models: 0, metadata: 0 },
    wanted: [],
    opened: 0,
    closed: 0,
    doors: [],
    ...init,
  };
}

export function connectTo(server: FakeServer, door: Door): Connection {
  server.opened += 1;
  server.doors.push(door);
  const answer = async <T>(value: T, signal?: AbortSignal): Promise<T> => {
    if (server.hangs)
      return new Promise<T>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    if (server.fault !== undefined) throw server.fault;
    return value;
  };
  return {
    infer: server.infer,
    ...(server.control === undefined ? {} : { control: server.control }),
    health(signal) {
      server.asked.health += 1;
      return answer(server.word, signal);
    },
    models(wanted) {
      server.asked.models += 1;
      server.wanted = wanted;
      return answer(server.models);
    },
    async metadata({ name, version = "1" }): Promise<ModelMetadata> {
      server.asked.metadata += 1;
      await answer(undefined);
      const signature = server.signatures[name];
      if (signature === undefined) throw new InferError("unsupported", `model "${name}": such a server cannot tell`);
      return { name, version, versions: [], platform: "fake", stateful: false, ...signature };
    },
    async close() {
      server.closed += 1;
    },
  };
}

/** Lets everything that can go on without time go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves time on in steps, and lets what each step started go on. */
export async function pass(env: FakeEnv, ms: number, stepMs = 100): Promise<void> {
  await settle();
  for (let left = ms; left > 0; left -= stepMs) {
    env.clock.advance(Math.min(stepMs, left));
    await settle();
  }
}

/** An Env whose chance is always one half: waits are as long as the config says. */
export function evenEnv(): FakeEnv {
  return { ...fakeEnv(), random: () => 0.5 };
}

export function callFor(
  env: FakeEnv,
  init: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): OwnedCall {
  return openCall({ id: "c1", traceparent: "00-a-b-01", clock: env.clock, protocol: "test", ...init });
}

export interface Opened {
  readonly env: FakeEnv;
  readonly backend: Backend;
}

/** A backend `b` over servers by address (`a:1`); the words are those of the config, beside `endpoints`. */
export async function openFake(
  servers: Readonly<Record<string, FakeServer>>,
  words: Readonly<Record<string, unknown>> = {},
  seams: Partial<Seams> = {},
): Promise<Opened> {
  const env = evenEnv();
  const connect = (_words: unknown, door: Door) => {
    // by its address, whatever it is called
    const address = door.endpoint.slice("b/".length);
    const server = servers[address];
    if (server === undefined) throw new Error(`no server at ${address}`);
    return connectTo(server, door);
  };
  const kind = externalKind({ kind: "fake", words: {}, connect }, seams);
  const options = kind.options.parse({ endpoints: Object.keys(servers), ...words });
  const run: RunSliced = (work) => runNow(work);
  const context = { name: "b", env, baseDir: "/base", parseYaml, run };
  const backend = await kind.open(options, context);
  await settle();
  return { env, backend };
}

/** A resolver of which nothing is known but what the test gives. */
export function fakeResolver(init: Partial<Resolver>): Resolver {
  const none = () => Promise.reject(new Error("not in this test"));
  return { addresses: none, srv: none, readFile: none, ...init };
}

// A cache over a model that a test scripts, under a fake clock.

import { type CallInit, type OwnedCall, openCall } from "../../core/call.ts";
import type { Identity, ModelMetadata } from "../../core/model.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { openRoom, type Room, type RoomOptions } from "../../policies/cache/room.ts";
import type { SecondLevel } from "../../policies/cache/second-level.ts";
import { cacheWords } from "../../policies/cache/words.ts";
import { cacheLayer } from "../../policies/cache.ts";
import { runAtOnce } from "./batch.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { type Asked, type Handle, requestFor, scripted } from "./scripted.ts";

export const SECRET = new Uint8Array(32).fill(7);

export interface CacheBench {
  readonly env: FakeEnv;
  readonly room: Room;
  readonly handle: Handle;
  /** What the version is made of from now on. */
  become(identity: Identity | undefined): void;
  ask(init?: CacheAsk): CacheAsking;
  /** Asks and answers from the model, which must be asked. */
  miss(init: CacheAsk, reply: Reply): Promise<CacheAsking>;
}

export interface CacheAsk {
  readonly request?: Partial<InferRequest>;
  readonly call?: Partial<CallInit>;
}

export interface CacheAsking {
  readonly call: OwnedCall;
  readonly answer: Promise<Reply>;
  /** What the cache said, once it has. */
  said(): string | undefined;
}

export interface CacheBenchInit {
  readonly words?: unknown;
  readonly room?: Partial<RoomOptions>;
  readonly second?: SecondLevel;
  readonly metadata?: Partial<ModelMetadata>;
  readonly env?: FakeEnv;
}

const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "fake",
  inputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
  outputs: [{ name: "y", datatype: "INT32", shape: [-1] }],
  stateful: false,
};

export function openCacheBench(init: CacheBenchInit = {}): CacheBench {
  const env = init.env ?? fakeEnv();
  const room = openRoom({
    maxBytes: 2 ** 20,
    secret: SECRET,
    clock: env.clock,
    emit: env.emit,
    ...(init.second === undefined ? {} : { second: init.second }),
    ...init.room,
  });
  room.retain(new Set(["m"]));
  const { service, handle } = scripted();
  let identity: Identity | undefined = { id: "a", portable: true };
  const layer = cacheLayer(cacheWords.parse(init.words ?? { ttl: "10s" }), {
    model: "m",
    version: "1",
    env,
    candidates: { list: () => [] },
    signature: async () => ({ ...METADATA, ...init.metadata }),
    identity: () => identity,
    run: runAtOnce,
    room,
  });
  const cached = layer(service);
  const ask = ({ request = {}, call: callInit = {} }: CacheAsk = {}): CacheAsking => {
    const call = openCall({ id: "1", traceparent: "", clock: env.clock, protocol: "test", ...callInit });
    const answer = cached(requestFor("m", { inputs: [ints("x", [1])], ...request }), call);
    answer.catch(() => {});
    return { call, answer, said: () => call.trace.decisions.findLast(({ policy }) => policy === "cache")?.said };
  };
  return {
    env,
    room,
    handle,
    ask,
    become: (made) => {
      identity = made;
    },
    async miss(what, reply) {
      const asking = ask(what);
      const asked: Asked = await handle.next();
      asked.reply(reply);
      await asking.answer;
      return asking;
    },
  };
}

/** A tensor of INT32. */
export function ints(name: string, values: readonly number[]): Tensor {
  const data = new Uint8Array(Int32Array.from(values).buffer);
  return { name, datatype: "INT32", shape: [values.length], data };
}

export function answerOf(...values: readonly number[]): InferResponse {
  return { kind: "whole", model: { name: "m", version: "1" }, outputs: [ints("y", values)], parameters: NO_PARAMETERS };
}

/** Runs everything that can run without time passing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

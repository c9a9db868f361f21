// Policies of several tries over endpoints that a test scripts, with the real balancer below, under a fake clock.

import { openCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { Candidate, LeafContext, LeafKind, PolicyKind } from "../../core/policy.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { balance } from "../../policies/balance.ts";
import { runAtOnce } from "./batch.ts";
import { METADATA } from "./batch-model.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { requestFor, wholeReply } from "./scripted.ts";

/** A server whose answers the test gives. */
export interface Played {
  readonly id: string;
  /** The calls that it was given, oldest first. */
  readonly calls: Parameters<Service>[1][];
  answer: Service;
  healthy: boolean;
  busy: number;
  free: number;
}

export interface AttemptsBench {
  readonly env: FakeEnv;
  readonly servers: readonly Played[];
  readonly service: Service;
  /** Asks as a user does; the call ends with the answer. */
  ask(init?: AskInit): Promise<Reply>;
  /** Events of the type, without it. */
  told(type: string): readonly Record<string, unknown>[];
  /** Runs everything that can run without time passing. */
  settle(): Promise<void>;
  pass(ms: number, stepMs?: number): Promise<void>;
}

export interface AskInit {
  readonly call?: Partial<Parameters<typeof openCall>[0]>;
  readonly request?: Partial<InferRequest>;
  readonly said?: (trace: readonly string[]) => void;
}

export interface AttemptsInit {
  readonly layers: readonly { readonly kind: LeafKind<never>; readonly words: unknown }[];
  readonly servers: number;
  readonly metadata?: Partial<ModelMetadata>;
  readonly by?: string;
}

/** The endpoint's name as a version of the answer, so that a test sees who answered. */
export const answering =
  (id: string): Service =>
  async () =>
    wholeReply("m", id);

export const failing =
  (
    code: ConstructorParameters<typeof InferError>[0],
    details: ConstructorParameters<typeof InferError>[2] = {},
  ): Service =>
  async () => {
    throw new InferError(code, code, { origin: "backend", ...details });
  };

export function openAttempts(init: AttemptsInit): AttemptsBench {
  const env = fakeEnv();
  const servers = Array.from({ length: init.servers }, (_, i) => played(`e${i + 1}`));
  const list = servers.map(candidateOf);
  const context: LeafContext = {
    model: "m",
    version: "1",
    env,
    candidates: { list: () => list },
    signature: async () => ({ ...METADATA, ...init.metadata }),
    run: runAtOnce,
  };
  const balancer = balance.build(balance.options.parse(init.by ?? "round-robin"), context)(context.candidates);
  const service = init.layers.reduceRight<Service>(
    (next, { kind, words }) =>
      (kind as LeafKind<unknown>).build((kind as PolicyKind as LeafKind).options.parse(words), context)(next),
    balancer,
  );
  const settle = async () => {
    for (let i = 0; i < 30; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return {
    env,
    servers,
    service,
    async ask({ call: of = {}, request = {}, said } = {}) {
      const call = openCall({ id: "t", traceparent: "", clock: env.clock, protocol: "test", ...of });
      try {
        return await service(requestFor("m", request), call);
      } finally {
        said?.(call.trace.decisions.map((one) => `${one.policy}: ${one.said}`));
        call.end();
      }
    },
    told: (type) =>
      env.events.filter((event) => event.type === type).map(({ type: _, ...rest }) => rest as Record<string, unknown>),
    settle,
    async pass(ms, stepMs = ms) {
      for (let at = 0; at < ms; at += stepMs) {
        env.clock.advance(stepMs);
        await settle();
      }
    },
  };
}

function played(id: string): Played {
  return { id, calls: [], answer: answering(id), healthy: true, busy: 0, free: 8 };
}

function candidateOf(server: Played): Candidate {
  const service: Service = (request, call) => {
    call.trace.learn({ endpoint: server.id });
    server.calls.push(call);
    return server.answer(request, call);
  };
  const endpoint = {
    ...{ id: server.id, zone: undefined, weight: 1, tier: 0, tags: [], infer: service },
    slots: {
      get free() {
        return server.free;
      },
      get busy() {
        return server.busy;
      },
      take: async () => ({ release() {} }),
      onFree: () => () => {},
    },
    available: () => server.healthy,
    serves: () => true,
    ready: async () => true,
    close: async () => {},
  };
  return { endpoint, available: () => server.healthy, serves: () => true, service };
}

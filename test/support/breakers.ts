// A breaker before one scripted endpoint under a fake clock: the test says what comes of each call, and when.

import { fixedPool } from "../../core/backend.ts";
import type { OwnedCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { Guard } from "../../core/guard.ts";
import { openBreaker } from "../../policies/breaker/guard.ts";
import type { BreakerOptions } from "../../policies/breaker/words.ts";
import { openCircuit } from "../../policies/breaker.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { aCall } from "./fake-pool.ts";
import { type Asked, type Handle, requestFor, scripted, wholeReply } from "./scripted.ts";

export const DEFAULTS: BreakerOptions = {
  errorRate: 0.5,
  minimumCalls: 20,
  consecutive: 5,
  openForMs: 5000,
  openMaxMs: 60_000,
};

/** A fault of the server, a server that is too busy, and a caller that left. */
export const broken = () => new InferError("unavailable", "reset");
export const busy = () => new InferError("overloaded", "busy", { origin: "backend" });
export const left = () => new InferError("cancelled", "the client left");

export interface Broken {
  readonly env: FakeEnv;
  readonly guard: Guard;
  readonly handle: Handle;
  /** Whether one more of its pool may be out. */
  room: boolean;
  /** Sends a call that the test answers by hand. */
  begin(call?: OwnedCall): Begun;
  /** Calls one after the other, each settled before the next: "answered", "refused" by the breaker, or "failed". */
  answers(count: number): Promise<readonly string[]>;
  fails(count: number, fault?: () => InferError): Promise<readonly string[]>;
  state(): string;
}

export interface Begun {
  readonly call: OwnedCall;
  /** What the caller is told in the end: "answered", or the fault. */
  readonly told: Promise<unknown>;
  /** The call as the endpoint sees it. */
  readonly asked: Promise<Asked>;
}

export function breakerOf(options: Partial<BreakerOptions> = {}): Broken {
  const env = fakeEnv(3);
  const { service, handle } = scripted();
  const guard = openBreaker({
    options: { ...DEFAULTS, ...options },
    context: { backend: "gpu", pool: fixedPool([]), room: () => self.room, env },
    endpoint: { id: "gpu/a:1" },
    openCircuit,
  });
  const guarded = guard.layer(service);
  const begin = (call = aCall(env)): Begun => {
    const told = guarded(requestFor("m"), call).then(
      () => "answered",
      (error: unknown) => error,
    );
    return { call, told, asked: handle.next() };
  };
  const settled = async (count: number, settle: (asked: Asked) => void) => {
    const came: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const answer = guarded(requestFor("m"), aCall(env)).then(
        () => "answered",
        () => "failed",
      );
      // a call that is refused never comes to the endpoint
      if (handle.waiting === 0) {
        await answer;
        came.push("refused");
        continue;
      }
      settle(await handle.next());
      came.push(await answer);
    }
    return came;
  };
  const self: Broken = {
    env,
    guard,
    handle,
    room: true,
    begin,
    answers: (count) => settled(count, (asked) => asked.reply(wholeReply("m", "1"))),
    fails: (count, fault = broken) => settled(count, (asked) => asked.fail(fault())),
    state: () => guard.status().state,
  };
  return self;
}

/** `count` times the same. */
export const times = (count: number, word: string): readonly string[] => Array.from({ length: count }, () => word);

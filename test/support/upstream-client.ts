// Clients under test, with short timeouts, and what they wait for.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { HttpAsk, HttpClient } from "../../backends/connection.ts";
import { type HttpClientOptions, openHttpClient } from "../../backends/http-client.ts";
import { InferError } from "../../core/error.ts";
import type { Upstream } from "./upstream-raw.ts";

/** A client with two connections and generous timeouts, changed as the test wants it. */
export function testClient(upstream: Pick<Upstream, "url">, options: Partial<HttpClientOptions> = {}): HttpClient {
  return openHttpClient({
    url: upstream.url,
    connections: 2,
    timeouts: { connectMs: 5_000, headersMs: 10_000, bodyMs: 10_000 },
    maxAnswerBytes: 1024 * 1024,
    ...options,
  });
}

export const GET: HttpAsk = { method: "GET", path: "/" };
export const POST: HttpAsk = { method: "POST", path: "/v2/models/m/infer", body: Buffer.from("asked") };

/** A caller who never leaves. */
export function patient(): { readonly signal: AbortSignal } {
  return { signal: new AbortController().signal };
}

/** The InferError that the work ends with; a failure of any other kind fails the test. */
export async function faultOf(work: Promise<unknown>): Promise<InferError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof InferError) return error;
    throw error;
  }
  throw new Error("expected an InferError, got a result");
}

/** Counts the listeners on a signal. */
export function countedSignal(): {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  readonly count: number;
} {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners.add(args[1]);
    add(...args);
  }) as typeof add;
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners.delete(args[1]);
    remove(...args);
  }) as typeof remove;
  return {
    signal,
    abort: (reason) => controller.abort(reason),
    get count() {
      return listeners.size;
    },
  };
}

/** The signal of a call after the call and a collection of garbage: gone, unless somebody holds on to it. */
export async function forgotten(
  work: (caller: { readonly signal: AbortSignal }) => Promise<void>,
): Promise<WeakRef<AbortSignal>> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const once = async () => {
    const caller = patient();
    await work(caller);
    return new WeakRef(caller.signal);
  };
  const signal = await once();
  // what a connection did last it forgets with the next call
  await work(patient());
  for (let turn = 0; turn < 10 && signal.deref() !== undefined; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  return signal;
}

/** Waits for the loop to turn until it is so; fails by name after five seconds. */
export async function untilSo(what: string, isSo: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 5_000;
  while (!isSo()) {
    if (performance.now() > giveUpAt) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

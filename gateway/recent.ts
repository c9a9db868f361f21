// What the last requests were, without their tensors: a bounded memory from which a change of routes can be tried out.

import type { Call } from "../core/call.ts";
import type { Clock } from "../core/env.ts";
import type { InferRequest } from "../core/request.ts";

/** All of a request that a router may look at; its tensors have no data. */
export interface RecentRequest {
  readonly request: InferRequest;
  readonly call: Pick<Call, "protocol" | "peer" | "headers" | "query" | "tenant">;
  /** On the monotonic clock, in milliseconds. */
  readonly at: number;
}

export interface RecentLimits {
  readonly requests: number;
  /** Of headers, queries and parameters together, about. */
  readonly bytes: number;
  readonly ageMs: number;
}

/** What the gateway keeps. */
export const RECENT_LIMITS: RecentLimits = { requests: 4096, bytes: 8 * 1024 * 1024, ageMs: 5 * 60_000 };

export interface Recent {
  note(request: InferRequest, call: Call): void;
  /** From old to new. */
  list(): readonly RecentRequest[];
  close(): Promise<void>;
}

interface Kept extends RecentRequest {
  readonly bytes: number;
}

/** Nobody is shown what is in it; it is gone with the process. */
export function openRecent(clock: Pick<Clock, "now">, limits: RecentLimits = RECENT_LIMITS): Recent {
  // a ring: the oldest stands where the next one will
  const ring: (Kept | undefined)[] = new Array(limits.requests).fill(undefined);
  // a full memory covers all of its time: under more load one request in each of these spans is kept, the others cost nothing
  const spanMs = limits.ageMs / limits.requests;
  let notedAt = Number.NEGATIVE_INFINITY;
  let next = 0;
  let oldest = 0;
  let bytes = 0;
  const forget = () => {
    const gone = ring[oldest % limits.requests];
    bytes -= gone?.bytes ?? 0;
    ring[oldest % limits.requests] = undefined;
    oldest += 1;
  };
  return {
    note(request, call) {
      if (call.purpose !== "user" || request.model.select.by !== "default") return;
      const now = clock.now();
      if (next - oldest === limits.requests && now - notedAt < spanMs) return;
      const size = sizeOf(request, call);
      // one that fills the memory by itself says nothing of the others
      if (size > limits.bytes / 64) return;
      if (next - oldest === limits.requests) forget();
      while (bytes + size > limits.bytes && oldest < next) forget();
      ring[next % limits.requests] = { ...withoutData(request, call), at: now, bytes: size };
      notedAt = now;
      next += 1;
      bytes += size;
    },
    list() {
      const since = clock.now() - limits.ageMs;
      const kept: RecentRequest[] = [];
      for (let i = oldest; i < next; i += 1) {
        const one = ring[i % limits.requests];
        if (one !== undefined && one.at >= since) kept.push(one);
      }
      return kept;
    },
    async close() {},
  };
}

const NO_DATA = new Uint8Array(0);

function withoutData(request: InferRequest, call: Call): Omit<RecentRequest, "at"> {
  const { protocol, peer, headers, query, tenant } = call;
  return {
    request: {
      model: request.model,
      task: request.task,
      inputs: request.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape, data: NO_DATA })),
      parameters: request.parameters,
      stream: request.stream,
    },
    call: { protocol, peer, headers: withoutCredentials(headers), query, ...(tenant === undefined ? {} : { tenant }) },
  };
}

const CREDENTIALS = ["authorization", "proxy-authorization"];

/** No router should look at them, so they are not kept. */
function withoutCredentials(headers: Call["headers"]): Call["headers"] {
  if (!CREDENTIALS.some((name) => headers.has(name))) return headers;
  return new Map([...headers].filter(([name]) => !CREDENTIALS.includes(name)));
}

/** What a name or a number takes beside its characters, about. */
const EACH = 64;

function sizeOf({ inputs, parameters }: InferRequest, { headers, query }: Call): number {
  let size = EACH * (1 + inputs.length);
  for (const { name, shape } of inputs) size += 2 * name.length + 8 * shape.length;
  for (const pairs of [headers, parameters, query]) {
    for (const [name, value] of pairs)
      size += EACH + 2 * (name.length + (typeof value === "string" ? value.length : 0));
  }
  return size;
}

// Who waits for an answer, and until when.

import type { Clock } from "./env.ts";
import { InferError } from "./error.ts";
import { type Loan, openLoan } from "./loan.ts";
import { type DecisionTrace, openTrace } from "./trace.ts";

/** `explain` is a question about the way of a request: it goes all the way down, and nothing is sent, taken or counted. */
export type Purpose = "user" | "shadow" | "probe" | "warm-up" | "explain";

export interface Sequence {
  readonly id: bigint | string;
  readonly start: boolean;
  readonly end: boolean;
  /** The id of the endpoint that it goes on at; set by the gateway, never by a caller. */
  readonly endpoint?: string;
}

export interface Attempt {
  /** 1 for the first try. */
  readonly n: number;
  /** Endpoints that a retry should not ask again, by id. */
  readonly avoid: readonly string[];
  /** The endpoint that the sender of a batch has chosen, by id: asked as long as it may be and is not to be avoided. */
  readonly prefer?: string;
  /** What that choice was made by, in words that are found only where somebody reads them. */
  readonly preferredBy?: () => string;
}

/** What a caller wants of the cache: a new answer, none kept nor given, or none but a kept one. Source: RFC 9111, 5.2.1. */
export type CacheWish = "no-cache" | "no-store" | "only-if-cached";

/** The first value of each header, names in lower case. */
export type Headers = ReadonlyMap<string, string>;

/** The one who waits: everything about a caller that must not change the answer. */
export interface Call {
  readonly id: string;
  /** The W3C trace context, taken from the caller or made here. */
  readonly traceparent: string;
  /** Aborted when nobody waits any longer; its reason is an InferError. */
  readonly signal: AbortSignal;
  /** When it came in, on the monotonic clock, in milliseconds. */
  readonly startedAt: number;
  /** When the answer is worthless, on the monotonic clock, in milliseconds; Infinity when nothing limits it yet. */
  readonly deadline: number;
  readonly clock: Clock;
  /** The front protocol's name. */
  readonly protocol: string;
  readonly peer: string;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  readonly tenant?: string;
  /** 1 is the highest; 0 where nothing was said. */
  readonly priority: number;
  readonly trace: DecisionTrace;
  /** Of the bytes that the request lies in. */
  readonly loan: Loan;
  readonly sequence?: Sequence;
  /** What the request's own words say of the cache; the header `cache-control` may say it too. */
  readonly cache?: CacheWish;
  /** Anything but `user` reads and writes no cache and counts in no quota, exposure or gate. */
  readonly purpose: Purpose;
  readonly attempt: Attempt;
  /** Only in a question about the way: takes what holds for the request beside what is decided, such as how often it is tried. */
  foretell?(policy: string, said: string): void;
}

/** A call that its holder must end, in `finally`: its timer and its listener go with it. */
export interface OwnedCall extends Call {
  /** Aborts the call with a reason, for everybody below. */
  cancel(reason: InferError): void;
  end(): void;
}

export interface CallInit {
  readonly id: string;
  readonly traceparent: string;
  readonly clock: Clock;
  readonly protocol: string;
  readonly peer?: string;
  readonly headers?: Headers;
  readonly query?: URLSearchParams;
  readonly tenant?: string;
  readonly priority?: number;
  readonly sequence?: Sequence;
  readonly cache?: CacheWish;
  readonly purpose?: Purpose;
  /** When it came in; now, when absent. */
  readonly startedAt?: number;
  /** Milliseconds from `startedAt` until the answer is worthless; no limit when absent. */
  readonly timeoutMs?: number;
  /** The client's own signal: it left, or its connection broke. */
  readonly signal?: AbortSignal;
}

const NO_HEADERS: Headers = new Map();
const NO_QUERY = new URLSearchParams();
const FIRST_ATTEMPT: Attempt = { n: 1, avoid: [] };

/** Opens the call of one request. Whoever opens it ends it. */
export function openCall(init: CallInit): OwnedCall {
  const startedAt = init.startedAt ?? init.clock.now();
  const life = openLife(init.clock, {
    parent: init.signal,
    startedAt,
    deadline: init.timeoutMs === undefined ? Number.POSITIVE_INFINITY : startedAt + init.timeoutMs,
  });
  // field by field, here and below: a spread behind the first field costs more than all of them
  const call: { -readonly [K in keyof OwnedCall]: OwnedCall[K] } = {
    id: init.id,
    traceparent: init.traceparent,
    startedAt,
    clock: init.clock,
    protocol: init.protocol,
    peer: init.peer ?? "",
    headers: init.headers ?? NO_HEADERS,
    query: init.query ?? NO_QUERY,
    priority: init.priority ?? 0,
    trace: openTrace(),
    loan: openLoan(),
    purpose: init.purpose ?? "user",
    attempt: FIRST_ATTEMPT,
    signal: life.signal,
    deadline: life.deadline,
    cancel: life.cancel,
    end: life.end,
  };
  if (init.tenant !== undefined) call.tenant = init.tenant;
  if (init.sequence !== undefined) call.sequence = init.sequence;
  if (init.cache !== undefined) call.cache = init.cache;
  return call;
}

/**
 * The call under a tighter deadline, `timeoutMs` after the call came in. The parent's abort reaches it; its own does not
 * reach the parent.
 */
export function narrow(call: Call, limit: { readonly timeoutMs: number }): OwnedCall {
  const deadline = Math.min(call.deadline, call.startedAt + limit.timeoutMs);
  const { signal, cancel, end } = openLife(call.clock, { parent: call.signal, startedAt: call.startedAt, deadline });
  return { ...call, signal, deadline, cancel, end };
}

/**
 * One of several tries for the same caller: it ends with the call or by itself, and its trace is its own, since only the
 * way of the one that answers counts.
 */
export function fork(call: Call): OwnedCall {
  const { startedAt, deadline } = call;
  // the deadline is kept by the call above
  const life = openLife(call.clock, { parent: call.signal, startedAt, deadline: Number.POSITIVE_INFINITY });
  return { ...call, trace: openTrace(), ...life, deadline };
}

/** The call without its caller: for work that goes on when the caller has gone (a shadow, a refresh), under its own deadline from now. */
export function detach(call: Call, limit: { readonly timeoutMs: number; readonly purpose?: Purpose }): OwnedCall {
  call.loan.keep();
  const startedAt = call.clock.now();
  const life = openLife(call.clock, { parent: undefined, startedAt, deadline: startedAt + limit.timeoutMs });
  return { ...call, startedAt, purpose: limit.purpose ?? call.purpose, trace: openTrace(), ...life };
}

/** One call for work that several callers wait on, and the way each of them leaves. */
export interface SharedCall extends OwnedCall {
  /** Another caller waits too. */
  join(call: Call): void;
  /** This caller waits no longer (it left or was answered); when the last one has gone, the work is cancelled. */
  leave(call: Call): void;
}

/**
 * One call that stands for several: aborted only when all of them have left, its deadline the latest of theirs.
 * The first lends its id and protocol.
 */
export function share(calls: readonly [Call, ...Call[]]): SharedCall {
  const first = calls[0];
  const waiting = new Map<Call, () => void>();
  const loans: Loan[] = [];
  const life = openLife(first.clock, {
    parent: undefined,
    startedAt: first.startedAt,
    deadline: Number.POSITIVE_INFINITY,
  });
  // no getter: see core/chain.ts
  const shared: SharedCall & { deadline: number } = {
    ...first,
    ...life,
    trace: openTrace(),
    loan: openLoan(loans),
    deadline: 0,
    join(call) {
      if (waiting.has(call)) return;
      loans.push(call.loan);
      shared.deadline = Math.max(shared.deadline, call.deadline);
      const onAbort = () => shared.leave(call);
      waiting.set(call, onAbort);
      if (call.signal.aborted) onAbort();
      else call.signal.addEventListener("abort", onAbort, { once: true });
    },
    leave(call) {
      const onAbort = waiting.get(call);
      if (onAbort === undefined) return;
      waiting.delete(call);
      call.signal.removeEventListener("abort", onAbort);
      if (waiting.size === 0) life.cancel(abortReason(call.signal));
    },
    end() {
      for (const [call, onAbort] of waiting) call.signal.removeEventListener("abort", onAbort);
      waiting.clear();
      life.end();
    },
  };
  for (const call of calls) shared.join(call);
  return shared;
}

/** Why a signal was aborted, as an InferError. */
export function abortReason(signal: AbortSignal): InferError {
  if (signal.reason instanceof InferError) return signal.reason;
  return new InferError("cancelled", "the caller left before the answer", { cause: signal.reason });
}

/** Throws the reason when nobody waits any longer. */
export function checkCall(call: Call): void {
  if (call.signal.aborted) throw abortReason(call.signal);
}

/**
 * The promise's value, or the call's abort reason if that comes first. The work behind the promise is not stopped by
 * this; its late result, good or bad, is dropped.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(abortReason(signal));
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(abortReason(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}

interface Life {
  readonly signal: AbortSignal;
  readonly deadline: number;
  cancel(reason: InferError): void;
  end(): void;
}

// One controller, linked by hand and unlinked by end(): AbortSignal.any on long-lived signals holds its composites.
function openLife(
  clock: Clock,
  limits: { readonly parent: AbortSignal | undefined; readonly startedAt: number; readonly deadline: number },
): Life {
  const { parent, startedAt, deadline } = limits;
  const controller = new AbortController();
  const cancel = (reason: InferError) => {
    if (!controller.signal.aborted) controller.abort(reason);
  };
  const onParent = parent === undefined ? undefined : () => cancel(abortReason(parent));
  let stopTimer: (() => void) | undefined;
  if (parent !== undefined && onParent !== undefined) {
    if (parent.aborted) onParent();
    else parent.addEventListener("abort", onParent, { once: true });
  }
  if (Number.isFinite(deadline)) {
    const onDeadline = () => cancel(deadlineExceeded(deadline - startedAt));
    const left = deadline - clock.now();
    if (left <= 0) onDeadline();
    else stopTimer = clock.after(left, onDeadline);
  }
  return {
    signal: controller.signal,
    deadline,
    cancel,
    end() {
      stopTimer?.();
      if (onParent !== undefined) parent?.removeEventListener("abort", onParent);
    },
  };
}

/** What a caller is told whose deadline, `timeoutMs` after it came, is over. */
export function deadlineExceeded(timeoutMs: number): InferError {
  return new InferError(
    "deadline-exceeded",
    `no answer within the deadline of ${Math.round(timeoutMs * 1000) / 1000} ms`,
  );
}

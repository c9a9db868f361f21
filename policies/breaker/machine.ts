// The life of one breaker: closed, open for a while, half-open with one probe, and what an operator forces by hand.

import type { Clock, Env } from "../../core/env.ts";
import type { ByHand, GuardStatus } from "../../core/guard.ts";
import type { BreakerOptions } from "./words.ts";

/** What a call says: `refused` is a server's 429, which counts for the rate and not for the run of failures. */
export type Verdict = "success" | "failure" | "refused" | "ignored";

/** What made it open. */
export type Cause = "error-rate" | "consecutive" | "probe" | "by-hand";

export interface CircuitParts {
  readonly options: BreakerOptions;
  readonly clock: Clock;
  readonly from: "closed" | "half-open";
  opened(): void;
  closed(): void;
}

/** The window and the threshold. */
export interface Circuit {
  /** One call more has ended. A failure opens it at once, a success closes it with the next microtask. */
  count(failed: boolean): void;
  trip(): void;
  /** Closed again at once, with all that it has counted. */
  hold(): void;
  end(): void;
}

/** One call that passes; what came of it is told once. */
export interface Pass {
  readonly probe: boolean;
  done(verdict: Verdict): void;
}

export interface MachineParts {
  readonly options: BreakerOptions;
  readonly env: Pick<Env, "clock" | "random">;
  room(): boolean;
  openCircuit(parts: CircuitParts): Circuit;
  /** After each change of the state. */
  changed(cause: Cause | undefined): void;
  /** It would open, but half of the pool is out; said once until it is closed anew. */
  held(reason: string): void;
}

/** The states of a breaker. */
export interface BreakerStatus extends GuardStatus {
  readonly state: "closed" | "open" | "half-open";
}

export interface Machine {
  /** Undefined when the call may not pass. Who gets a pass tells what came of it. */
  enter(): Pass | undefined;
  may(): boolean;
  /** It waits for a probe. */
  due(): boolean;
  out(): boolean;
  barred(): boolean;
  status(): BreakerStatus;
  byHand(action: ByHand): void;
  /** Lets everything pass from now on and counts nothing. */
  end(): void;
}

type Phase =
  | { readonly state: "closed"; readonly circuit: Circuit; readonly since: number; run: number; held: boolean }
  | { readonly state: "open"; readonly until: number; readonly reason: string; readonly stopTimer: () => void }
  | {
      readonly state: "half-open";
      readonly circuit: Circuit;
      readonly reason: string;
      probing: boolean;
      unknown: number;
    }
  | { readonly state: "forced"; readonly to: "open" | "closed" };

/** So many probes in a row may end without a word on how the endpoint is, before it waits again. */
const UNKNOWN = 3;
/** Each wait is longer or shorter by up to this share, so that many gateways do not ask at once. */
const JITTER = 0.1;

const UNCOUNTED: Pass = { probe: false, done: () => {} };

export function openMachine({ options, env, room, openCircuit, changed, held }: MachineParts): Machine {
  // how often it has opened without being closed for long between
  let trips = 0;
  let causing: Cause = "error-rate";
  let phase: Phase = closedPhase(circuitFrom("closed"));

  function circuitFrom(from: "closed" | "half-open"): Circuit {
    const circuit = openCircuit({ options, clock: env.clock, from, opened: () => opened(circuit), closed: closed });
    return circuit;
  }
  function closedPhase(circuit: Circuit): Phase {
    return { state: "closed", circuit, since: env.clock.now(), run: 0, held: false };
  }
  function opened(circuit: Circuit): void {
    if (phase.state === "closed" && !room()) {
      circuit.hold();
      if (!phase.held) held(reasonOf(causing, options));
      phase.held = true;
      return;
    }
    if (phase.state === "closed" && env.clock.now() - phase.since >= options.openMaxMs) trips = 0;
    circuit.end();
    wait(phase.state === "half-open" ? "probe" : causing);
  }
  function wait(cause: Cause): void {
    trips += 1;
    const plain = Math.min(options.openMaxMs, options.openForMs * 2 ** Math.min(trips - 1, 30));
    const ms = plain * (1 + JITTER * (2 * env.random() - 1));
    const stopTimer = env.clock.after(ms, halfOpen);
    phase = { state: "open", until: env.clock.now() + ms, reason: reasonOf(cause, options), stopTimer };
    changed(cause);
  }
  function halfOpen(): void {
    if (phase.state !== "open") return;
    // a new circuit: no call that began before it can say anything in it
    const circuit = circuitFrom("half-open");
    phase = { state: "half-open", circuit, reason: phase.reason, probing: false, unknown: 0 };
    changed(undefined);
  }
  function closed(): void {
    // a circuit that was held is closed already
    if (phase.state !== "half-open") return;
    phase = closedPhase(phase.circuit);
    changed(undefined);
  }
  function leave(): void {
    if (phase.state === "open") phase.stopTimer();
    if (phase.state === "closed" || phase.state === "half-open") phase.circuit.end();
  }
  function count(verdict: Verdict): void {
    if (phase.state !== "closed" || verdict === "ignored") return;
    const { circuit } = phase;
    if (verdict === "success") phase.run = 0;
    if (verdict === "failure") phase.run += 1;
    const before = phase;
    causing = "error-rate";
    circuit.count(verdict !== "success");
    // by the rate it may be open by now
    if (phase !== before || verdict !== "failure" || before.run < options.consecutive) return;
    causing = "consecutive";
    circuit.trip();
  }
  function probed(verdict: Verdict): void {
    if (phase.state !== "half-open") return;
    if (verdict === "ignored") {
      // its caller left, or had its answer from a second copy elsewhere: the next call is the probe in its place
      phase.unknown += 1;
      phase.probing = false;
      if (phase.unknown < UNKNOWN) return;
      // callers leave one after the other, as they do when a server hangs: it waits as long as before and not twice as long
      trips -= 1;
    }
    phase.circuit.count(verdict !== "success");
  }
  /** What comes of a call counts only as long as the state is the one that it began in. */
  function passOf(begun: Phase, tell: (verdict: Verdict) => void): Pass {
    let told = false;
    return {
      probe: begun.state === "half-open",
      done(verdict) {
        if (told || phase !== begun) return;
        told = true;
        tell(verdict);
      },
    };
  }

  return {
    enter() {
      switch (phase.state) {
        case "closed":
          return passOf(phase, count);
        case "open":
          return undefined;
        case "half-open":
          if (phase.probing) return undefined;
          phase.probing = true;
          return passOf(phase, probed);
        case "forced":
          return phase.to === "open" ? undefined : UNCOUNTED;
        default:
          return phase satisfies never;
      }
    },
    may() {
      if (phase.state === "half-open") return !phase.probing;
      return phase.state === "closed" || (phase.state === "forced" && phase.to === "closed");
    },
    due: () => phase.state === "half-open" && !phase.probing,
    out: () => phase.state === "open" || phase.state === "half-open",
    barred: () => phase.state === "forced" && phase.to === "open",
    status() {
      if (phase.state === "forced") return { state: phase.to, forced: true, reason: "set by hand" };
      if (phase.state === "closed") return { state: "closed", forced: false };
      const told = { state: phase.state, forced: false, reason: phase.reason };
      return phase.state === "open" ? { ...told, forMs: Math.max(0, phase.until - env.clock.now()) } : told;
    },
    byHand(action) {
      leave();
      trips = 0;
      phase =
        action === "reset"
          ? closedPhase(circuitFrom("closed"))
          : { state: "forced", to: action === "open" ? "open" : "closed" };
      changed(action === "open" ? "by-hand" : undefined);
    },
    end() {
      leave();
      phase = { state: "forced", to: "closed" };
    },
  };
}

function reasonOf(cause: Cause, { consecutive, errorRate, minimumCalls }: BreakerOptions): string {
  switch (cause) {
    case "consecutive":
      return `${consecutive} failures in a row`;
    case "error-rate":
      return `more than ${Math.round(errorRate * 1000) / 10}% of at least ${minimumCalls} calls failed`;
    case "probe":
      return "the probe failed";
    case "by-hand":
      return "set by hand";
    default:
      return cause satisfies never;
  }
}

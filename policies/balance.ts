// balance: which endpoint answers a request, among all that run the version, on whatever backends.

import { z } from "zod";
import type { Call } from "../core/call.ts";
import { asInferError, InferError } from "../core/error.ts";
import { outcomeOf } from "../core/outcome.ts";
import type { BalanceKind, Candidates, PolicyContext } from "../core/policy.ts";
import { type InferRequest, type InferResponse, unasked } from "../core/request.ts";
import type { Service } from "../core/service.ts";
import { whenOver } from "../core/stream-end.ts";
import { duration } from "../core/words.ts";
import { describeChoice, openChoice } from "./balance/choice.ts";
import { eligibleSeats } from "./balance/eligible.ts";
import { type HashKey, openPicker, PICKERS, type PickerName } from "./balance/pickers.ts";
import { openSeats, type Seat } from "./balance/seats.ts";

export interface BalanceOptions {
  readonly by: PickerName;
  /** For `hash`: what of a request is hashed. */
  readonly key?: HashKey;
  /** How long an endpoint that came later than the others is eased in. */
  readonly slowStartMs: number;
  /** A tier that is healthy by less than this share gives work to the next one. */
  readonly spillBelow: number;
  /** When less than this share of all endpoints is healthy, health is not believed and all are used. */
  readonly panicBelow: number;
}

const share = (fallback: number, what: string) =>
  z
    .string()
    .regex(/^(100|\d{1,2})(\.\d+)?%$/, { error: "expected a share such as 50%" })
    .prefault(`${fallback}%`)
    .transform((text) => Math.min(1, Number.parseFloat(text) / 100))
    .describe(what);

const key = z
  .union([
    z.strictObject({ header: z.string().min(1).toLowerCase().describe("The header that holds the key.") }),
    z.strictObject({ query: z.string().min(1).describe("The word of the query that holds the key.") }),
    z.enum(["tenant", "peer"]),
  ])
  .describe("What requests are kept together by: {header: x-user-id}, {query: user}, tenant or peer.");

const words = z.strictObject({
  by: z.enum(PICKERS).describe("How an endpoint is chosen."),
  key: key.optional(),
  slowStart: duration({ zero: true })
    .prefault("30s")
    .describe("How long an endpoint that is new or has come back is eased in."),
  spillBelow: share(70, "A tier or zone that is healthy by less than this share gives work to the next one."),
  panicBelow: share(50, "With less than this share of all endpoints healthy, all are used; 0% never."),
});

type Words = z.output<typeof words>;

const written = z
  .union([z.enum(PICKERS).transform((by) => words.parse({ by })), words])
  .superRefine(({ by, key }, context) => {
    if ((by === "hash") === (key !== undefined)) return;
    const message =
      by === "hash" ? "expected a key such as {header: x-user-id}, got nothing" : `expected no key with ${by}`;
    context.addIssue({ code: "custom", path: ["key"], message });
  })
  .transform(
    ({ by, key, slowStart, spillBelow, panicBelow }: Words): BalanceOptions => ({
      by,
      slowStartMs: slowStart,
      spillBelow,
      panicBelow,
      ...(key === undefined ? {} : { key: key as HashKey }),
    }),
  )
  .describe("How requests are spread over the endpoints; least-time where nothing is said.");

export const balance: BalanceKind<BalanceOptions> = {
  place: "balance",
  word: "balance",
  underBackend: true,
  options: written,
  fallback: written.parse("least-time"),
  build: (options, context) => (candidates) => openBalancer({ options, context, candidates }),
};

interface BalancerParts {
  readonly options: BalanceOptions;
  readonly context: PolicyContext;
  readonly candidates: Candidates;
}

function openBalancer({ options, context, candidates }: BalancerParts): Service {
  const { env, model, zone } = context;
  const seats = openSeats({ slowStartMs: options.slowStartMs, clock: env.clock });
  const choose = openChoice(openPicker(options, env));
  const view = { ...options, zone, random: () => env.random() };
  return (request, call) => {
    const all = seats.of(candidates.list());
    if (call.purpose === "explain") return foretell(all, call);
    const { seats: eligible, panic } = eligibleSeats(all, call.attempt.avoid, view);
    const choice = choose(eligible, call);
    const { seat } = choice;
    if (seat === undefined) return Promise.reject(nobody(model, all.length));
    if (all.length > 1) {
      const among = { by: options.by, of: eligible.length, panic };
      call.trace.decide("balance", () => describeChoice(choice, among));
    }
    return ask({ seat, rows: rowsOf(request), panic }, request, call);
  };

  /** The same choice, and nobody is asked. */
  async function foretell(all: readonly Seat[], call: Call): Promise<InferResponse> {
    let spills = false;
    const random = () => {
      spills = true;
      return 0;
    };
    const { seats: eligible, panic } = eligibleSeats(all, call.attempt.avoid, { ...view, random });
    if (eligible.length === 0) throw nobody(model, all.length);
    const choice = choose(eligible, call);
    const endpoint = choice.seat?.candidate.endpoint.id;
    if (all.length > 1) {
      const text = describeChoice(choice, { by: options.by, of: eligible.length, panic });
      call.trace.decide("balance", spills ? `${text}, or one further away by chance` : text);
    }
    if (endpoint !== undefined && !spills) call.trace.learn({ endpoint });
    return unasked({ name: model, version: call.trace.facts.version ?? "" });
  }
}

interface Asked {
  readonly seat: Seat;
  readonly rows: number;
  readonly panic: boolean;
}

async function ask({ seat, rows, panic }: Asked, request: InferRequest, call: Call): ReturnType<Service> {
  const startedAt = call.clock.now();
  seat.begin(startedAt);
  const settle = (error: unknown) => {
    const tookMs = call.clock.now() - startedAt;
    // a mistake of the client's is found quickly and says nothing of how long an answer takes
    const outcome = error === undefined || outcomeOf(error) !== "success" ? outcomeOf(error) : "ignored";
    seat.learn({ outcome, perRowMs: tookMs / rows, tookMs });
    const pauseMs = error === undefined ? 0 : askedPauseMs(asInferError(error));
    if (pauseMs > 0) seat.pause(pauseMs);
  };
  try {
    const { service, anyway = service } = seat.candidate;
    const reply = await (panic ? anyway : service)(request, call);
    settle(undefined);
    if (reply.kind === "whole") {
      seat.end();
      return reply;
    }
    // a stream occupies its endpoint until it ends, however fast it began
    return { kind: "stream", parts: whenOver(reply.parts, call.signal, () => seat.end()) };
  } catch (error) {
    settle(error);
    seat.end();
    throw error;
  }
}

/** The pause that the server itself has asked for: Retry-After, or gRPC's word for it. */
function askedPauseMs({ origin, retryAfterMs = 0 }: InferError): number {
  return origin === "backend" ? retryAfterMs : 0;
}

/** Requests with more rows take longer; how much longer is the same for all endpoints. */
function rowsOf(request: InferRequest): number {
  return Math.max(1, request.inputs[0]?.shape[0] ?? 1);
}

function nobody(model: string, known: number): InferError {
  const why = known === 0 ? "has no endpoint" : "has no endpoint that can take work now";
  return new InferError("unavailable", `model "${model}" ${why}`);
}

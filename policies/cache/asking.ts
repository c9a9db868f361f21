// Asks the model what no kept answer says: once for all who want to know at the same time.

import { type Call, detach } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { inOrder } from "./copy.ts";
import type { Flights, Landed, Underway } from "./flights.ts";
import type { Found, Keeper } from "./keeper.ts";
import type { Question } from "./question.ts";
import { landedFor, type RowAnswers, type RowFlights } from "./row-flights.ts";

/** Who asks what. */
export interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
  readonly question: Question;
}

/** What came of it for one of those who asked. */
export type Got =
  /** The model's answer to this one; `notKept` says why it is not kept, where it is not. */
  | { readonly kind: "asked"; readonly reply: Reply; readonly notKept?: string }
  /** The shared store had it. */
  | { readonly kind: "found"; readonly found: Found }
  /** The model's answer to an equal question. */
  | { readonly kind: "joined"; readonly reply: Reply }
  /** Another one reads the stream. */
  | { readonly kind: "alone" };

export interface Asking {
  /** Joins who asks the same already. @throws InferError what the model threw, or the call's abort reason */
  together(asked: Asked): Promise<Got>;
  /** Asks the model itself, whatever is kept, and joins nobody. */
  anew(asked: Asked): Promise<Got>;
  /** Has a new answer fetched that nobody waits for, unless that is under way. */
  refresh(asked: Asked): void;
}

export interface AskingParts {
  readonly next: Service;
  readonly keeper: Keeper;
  readonly env: Env;
  readonly flights: Flights;
  /** Where rows are asked for, of which the question may be one. */
  readonly rows: Pick<RowFlights, "at">;
}

/** How long a new answer for a stale one may take, where its caller had no deadline. */
const REFRESH_MS = 30_000;

export function openAsking({ next, keeper, env, flights, rows }: AskingParts): Asking {
  const ask = async ({ request, question }: Asked, at: Call, anew: boolean): Promise<Got> => {
    const shared = await keeper.findShared(question);
    if (shared?.found !== undefined && !anew) return { kind: "found", found: shared.found };
    const began = env.clock.now();
    const reply = await next(request, at);
    if (reply.kind === "stream") return { kind: "asked", reply, notKept: "a stream" };
    const askedMs = env.clock.now() - began;
    const notKept = await keeper.keep(question, { answer: reply, askedMs, look: shared?.look });
    return { kind: "asked", reply, ...(notKept === undefined ? {} : { notKept }) };
  };
  return {
    async together(asked) {
      const { call, question } = asked;
      const asRow = rows.at(question.flight);
      const row = asRow === undefined ? undefined : await joinRow(asRow, asked);
      if (row !== undefined) return { kind: "joined", reply: inOrder(row, asked.request.outputs) };
      let own: Got | undefined;
      const landed = await flights.ask(question.flight, call, async (at) => {
        try {
          own = await ask(asked, at, false);
          return replyOf(own);
        } finally {
          at.trace.repeatTo(call.trace);
          call.trace.learn(at.trace.facts);
        }
      });
      return gotBy(asked, landed, own);
    },
    anew: (asked) => ask(asked, asked.call, true),
    refresh(asked) {
      if (flights.at(asked.question.flight) !== undefined) return;
      const { deadline, startedAt } = asked.call;
      const timeoutMs = Number.isFinite(deadline) ? deadline - startedAt : REFRESH_MS;
      const own = detach(asked.call, { timeoutMs });
      flights
        .ask(asked.question.flight, own, async (at) => replyOf(await ask(asked, at, true)))
        .then(unread)
        // the stale answer goes on until its end; who comes after that hears what is wrong
        .catch(() => {})
        .finally(() => own.end());
    },
  };
}

/** The answer that a request of several rows gets for the one that is this question; undefined when it asks in vain. */
async function joinRow(rows: Underway<RowAnswers>, { call, question }: Asked) {
  rows.shared.join(call);
  try {
    const answers = await landedFor(call, rows);
    return answers.get(question.flight)?.answer;
  } finally {
    rows.shared.leave(call);
  }
}

function replyOf(got: Got): Reply {
  if (got.kind === "found") return got.found.answer;
  if (got.kind === "alone") throw new Error("who asks alone has not asked");
  return got.reply;
}

function gotBy({ call, request }: Asked, landed: Landed, own: Got | undefined): Got {
  switch (landed.kind) {
    case "whole": {
      if (landed.led) return own ?? { kind: "asked", reply: landed.reply };
      const { backend, endpoint } = landed.trace.facts;
      if (backend !== undefined) call.trace.learn({ backend });
      if (endpoint !== undefined) call.trace.learn({ endpoint });
      return { kind: "joined", reply: inOrder(landed.reply, request.outputs) };
    }
    case "stream":
      return { kind: "asked", reply: landed.reply, notKept: "a stream" };
    case "alone":
      return landed;
    default:
      return landed satisfies never;
  }
}

async function unread(landed: Landed): Promise<void> {
  if (landed.kind === "stream") await landed.reply.parts[Symbol.asyncIterator]().return?.();
}

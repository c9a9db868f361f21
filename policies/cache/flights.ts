// Equal questions at the same time are one: the first asks, the others wait for its answer.

import { type Call, type SharedCall, share, unlessAborted } from "../../core/call.ts";
import { asInferError, type InferError } from "../../core/error.ts";
import { type InferResponse, type InferStream, type Reply, whenEnded } from "../../core/request.ts";
import type { DecisionTrace } from "../../core/trace.ts";
import { openTable } from "./underway.ts";

/** What came of a flight for one of those on it. */
export type Landed =
  | { readonly kind: "whole"; readonly reply: InferResponse; readonly led: boolean; readonly trace: DecisionTrace }
  /** Only one of them may read a stream: the others ask by themselves. */
  | { readonly kind: "stream"; readonly reply: InferStream }
  | { readonly kind: "alone" };

export interface Flights {
  /**
   * The answer to the question under this key. It is asked as long as anybody waits for it; each waits no longer than its
   * own call. When the one that asks fails through no fault of the question, the next one asks once more.
   *
   * @throws InferError what the asking threw, or the call's own abort reason
   */
  ask(key: string, call: Call, run: (shared: Call) => Promise<Reply>): Promise<Landed>;
  /** The asking of the question that is going on now. */
  at(key: string): Underway<Reply> | undefined;
}

/** Something that is being asked: whoever joins `shared` keeps it going until he leaves. */
export interface Underway<T> {
  readonly shared: SharedCall;
  readonly landing: Promise<T>;
}

interface Flight extends Underway<Reply> {
  taken: boolean;
}

/** So often one question is asked for the same callers at most: a failure is news to nobody after that. */
const MOST_FLIGHTS = 2;

export function openFlights(): Flights {
  const flights = openTable<Flight>();

  const open = (key: string, call: Call, run: (shared: Call) => Promise<Reply>): Flight => {
    const shared = share([call]);
    const clear = () => {
      if (flights.get(key)?.shared === shared) flights.delete(key);
    };
    // nobody waits any longer: who comes now begins anew
    shared.signal.addEventListener("abort", clear, { once: true });
    const landing = run(shared).then(
      (reply) => {
        clear();
        if (reply.kind === "whole") shared.end();
        return reply;
      },
      (error: unknown) => {
        clear();
        shared.end();
        throw error;
      },
    );
    landing.catch(() => {});
    const flight = { shared, landing, taken: false };
    flights.set(key, flight);
    return flight;
  };

  const wait = async (flight: Flight, call: Call, led: boolean): Promise<Landed> => {
    try {
      const reply = await unlessAborted(flight.landing, call.signal);
      if (reply.kind === "whole") return { kind: "whole", reply, led, trace: flight.shared.trace };
      if (flight.taken) return { kind: "alone" };
      flight.taken = true;
      const parts = whenEnded(reply.parts, () => flight.shared.end());
      // it is still waited for: the caller reads it now
      return { kind: "stream", reply: { kind: "stream", parts } };
    } catch (error) {
      flight.shared.leave(call);
      throw error;
    }
  };

  return {
    async ask(key, call, run) {
      for (let n = 1; ; n += 1) {
        const known = flights.get(key);
        if (known === undefined || known.shared.signal.aborted) return await wait(open(key, call, run), call, true);
        known.shared.join(call);
        try {
          return await wait(known, call, false);
        } catch (error) {
          if (call.signal.aborted || n >= MOST_FLIGHTS || isOfTheQuestion(asInferError(error))) throw error;
        }
      }
    },
    at(key) {
      const flight = flights.get(key);
      return flight?.shared.signal.aborted === false ? flight : undefined;
    },
  };
}

/** Whether asking again would only fail again. */
function isOfTheQuestion({ origin, code }: InferError): boolean {
  return origin === "client" && code !== "cancelled";
}

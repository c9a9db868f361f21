// Rows that are being asked are asked once: who wants one of them meanwhile waits for its answer, and asks for the others.

import { type Call, share, unlessAborted } from "../../core/call.ts";
import type { InferResponse, Reply } from "../../core/request.ts";
import type { Flights, Underway } from "./flights.ts";
import type { RowQuestion } from "./question.ts";
import { openTable } from "./underway.ts";

/** Rows by what tells their questions apart (`Question.flight`). */
export type Rows = ReadonlyMap<string, RowQuestion>;
/** Their answers by the same. */
export type RowAnswers = ReadonlyMap<string, RowAnswer>;

export interface RowAnswer {
  readonly answer: InferResponse;
  /** How old it is, in milliseconds, where it was kept; undefined where the model was asked for it. */
  readonly keptMs: number | undefined;
}

/** What came of it for one of those who asked. */
export interface LandedRows {
  /** One for each row. */
  readonly answers: RowAnswers;
  /** For how many of them the model was asked for this one; the others were kept, or asked for somebody else. */
  readonly asked: number;
  /** Of how many calls of the model the answers are, and of how many look-ups that found any. */
  readonly sources: number;
}

export interface RowFlights {
  /**
   * The answers to the rows. Those that nobody asks yet are asked in one go, as long as anybody waits for any of them; each
   * caller waits no longer than its own call. What fails for another is asked anew for this one: the fault may lie in a row
   * that is not its own.
   *
   * @throws InferError what the asking of its own rows threw, or the call's abort reason
   */
  ask(rows: Rows, call: Call, run: (rows: Rows, at: Call) => Promise<RowAnswers>): Promise<LandedRows>;
  /** The asking of the row that is going on now, with others. */
  at(key: string): Underway<RowAnswers> | undefined;
}

type Flight = Underway<RowAnswers>;

/** So often a caller waits for rows that others ask, before it asks for them itself whoever else does. */
const MOST_WAITS = 2;

/** @param questions where whole requests are asked, of which one may be a row */
export function openRowFlights(questions: Pick<Flights, "at">): RowFlights {
  const flights = openTable<Flight>();
  const at = (key: string): Flight | undefined => {
    const flight = flights.get(key);
    return flight?.shared.signal.aborted === false ? flight : undefined;
  };

  const open = (rows: Rows, call: Call, run: (rows: Rows, at: Call) => Promise<RowAnswers>): Flight => {
    const shared = share([call]);
    const clear = () => {
      for (const key of rows.keys()) if (flights.get(key)?.shared === shared) flights.delete(key);
    };
    // nobody waits any longer: who comes now begins anew
    shared.signal.addEventListener("abort", clear, { once: true });
    const landing = run(rows, shared).finally(() => {
      clear();
      shared.end();
    });
    landing.catch(() => {});
    const flight = { shared, landing };
    for (const key of rows.keys()) if (!flights.has(key)) flights.set(key, flight);
    return flight;
  };

  /** The rows that others ask now, and those that are left. */
  const sorted = (rows: Rows) => {
    const own = new Map<string, RowQuestion>();
    const joined = new Set<Flight>();
    for (const [key, row] of rows) {
      const flight = at(key) ?? asRow(key, questions.at(key));
      if (flight === undefined) own.set(key, row);
      else joined.add(flight);
    }
    return { own, joined };
  };

  return {
    at,
    async ask(rows, call, run) {
      const answers = new Map<string, RowAnswer>();
      let [asked, sources] = [0, 0];
      let left = rows;
      for (let n = 1; left.size > 0; n += 1) {
        const { own, joined } = n > MOST_WAITS ? { own: left, joined: new Set<Flight>() } : sorted(left);
        for (const { shared } of joined) shared.join(call);
        const mine = own.size === 0 ? undefined : open(own, call, run);
        const all = mine === undefined ? [...joined] : [mine, ...joined];
        try {
          const landed = await Promise.all(all.map((flight) => landedFor(call, flight, { isMine: flight === mine })));
          for (const one of landed) for (const [key, answer] of one) if (left.has(key)) answers.set(key, answer);
          for (const one of landed) sources += sourcesOf(one);
          asked += mine === undefined ? 0 : askedIn(landed[0] ?? NO_ANSWERS);
        } finally {
          for (const { shared } of all) shared.leave(call);
          // what was decided on the way of the rows is decided for the one that asked for them
          mine?.shared.trace.repeatTo(call.trace);
          if (mine !== undefined) call.trace.learn(mine.shared.trace.facts);
        }
        left = new Map([...left].filter(([key]) => !answers.has(key)));
      }
      return { answers, asked, sources };
    },
  };
}

const NO_ANSWERS: RowAnswers = new Map();

/** How many of them the model was asked for. */
export function askedIn(answers: RowAnswers): number {
  return [...answers.values()].filter(({ keptMs }) => keptMs === undefined).length;
}

/** What one asking gave may be of the model and of what was kept. */
export function sourcesOf(answers: RowAnswers): number {
  const asked = askedIn(answers);
  return (asked > 0 ? 1 : 0) + (asked < answers.size ? 1 : 0);
}

/** A request of one row, as one of the rows that are asked for. */
function asRow(key: string, question: Underway<Reply> | undefined): Flight | undefined {
  if (question === undefined) return undefined;
  const landing = question.landing.then((reply): RowAnswers => {
    if (reply.kind === "stream" || !isOneRow(reply)) return NO_ANSWERS;
    return new Map([[key, { answer: reply, keptMs: undefined }]]);
  });
  landing.catch(() => {});
  return { shared: question.shared, landing };
}

/** A request of one row is answered with whatever the model gives for it; only a row of each output fits among others. */
export function isOneRow({ outputs }: InferResponse): boolean {
  return outputs.every(({ shape }) => shape[0] === 1);
}

/** What came of it for the call; nothing where it failed for another. @throws InferError the call's abort reason, or what failed for it */
export async function landedFor(
  call: Call,
  { landing, shared }: Flight,
  { isMine = false }: { readonly isMine?: boolean } = {},
): Promise<RowAnswers> {
  try {
    const answers = await unlessAborted(landing, call.signal);
    const { backend, endpoint } = shared.trace.facts;
    if (backend !== undefined) call.trace.learn({ backend });
    if (endpoint !== undefined) call.trace.learn({ endpoint });
    return answers;
  } catch (error) {
    if (isMine || call.signal.aborted) throw error;
    return NO_ANSWERS;
  }
}

// The door: a request whose deadline is nearer than any answer of late has come is refused at once, with the figures.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import { outcomeOf } from "../../../../core/outcome.ts";
import type { Reply } from "../../../../core/request.ts";
import { openFastest } from "../../../../policies/deadline/fastest.ts";
import { deadline } from "../../../../policies/deadline.ts";
import { type AttemptsBench, openAttempts } from "../../../support/attempts.ts";
import { rowsOfInts } from "../../../support/batch-model.ts";
import { fakeClock } from "../../../support/fake-env.ts";
import { wholeReply } from "../../../support/scripted.ts";

/** A server that takes as long as the test says, by the rows of the request. */
function bench(ms: (rows: number) => number, words: unknown = true): AttemptsBench {
  const one = openAttempts({ layers: [{ kind: deadline as never, words }], servers: 1 });
  one.servers[0]!.answer = ({ inputs }) =>
    new Promise<Reply>((resolve) => {
      one.env.clock.after(ms(inputs[0]?.shape[0] ?? 1), () => resolve(wholeReply("m", "e1")));
    });
  return one;
}

/** Asks with so many rows and waits for the answer. */
async function served(one: AttemptsBench, rows: number, ms: number): Promise<void> {
  const asking = one.ask({ request: { inputs: [rowsOfInts(Array(rows).fill(0))] } });
  await one.pass(ms);
  await asking;
}

/** Whether a request with this deadline was sent; it is not waited for. */
async function sent(one: AttemptsBench, rows: number, timeoutMs: number): Promise<boolean> {
  const before = one.servers[0]!.calls.length;
  one.ask({ request: { inputs: [rowsOfInts(Array(rows).fill(0))] }, call: { timeoutMs } }).catch(() => {});
  await one.settle();
  return one.servers[0]!.calls.length > before;
}

describe("the door", () => {
  it("refuses at once what would be late beside the fastest answer of late, and says the figures", async () => {
    const one = bench(() => 12);
    await served(one, 1, 12);
    // the first goes on all the same: once a second something must
    expect(await sent(one, 1, 5)).toBe(true);
    const fault = await one.ask({ call: { timeoutMs: 5 } }).catch((error: InferError) => error);
    expect(fault).toMatchObject({
      code: "deadline-exceeded",
      origin: "gateway",
      unsent: true,
      message: "5 ms are left until the deadline, and the fastest answer of late took 12 ms",
    });
    expect(one.told("deadline-refused")).toEqual([{ model: "m", version: "1" }]);
    expect(await sent(one, 1, 12)).toBe(true);
  });

  it("lets one through a second, so that a faster answer is seen", async () => {
    let ms = 12;
    const one = bench(() => ms);
    await served(one, 1, 12);
    ms = 1;
    expect([await sent(one, 1, 5), await sent(one, 1, 5)]).toEqual([true, false]);
    await one.pass(1);
    // it was answered in a millisecond: nothing is refused any longer
    expect([await sent(one, 1, 5), await sent(one, 1, 5)]).toEqual([true, true]);
  });

  it("lets that one go on behind its deadline, so that what is known stays known and no breaker is told of a failure", async () => {
    const one = bench(() => 12);
    await served(one, 1, 12);
    for (let i = 0; i < 600; i += 1) {
      await sent(one, 1, 5);
      await one.pass(100, 4);
    }
    const { calls } = one.servers[0]!;
    expect(calls).toHaveLength(61);
    expect(calls.filter(({ signal }) => signal.aborted)).toEqual([]);
    expect(one.told("deadline-refused")).toHaveLength(540);
    expect(one.env.clock.pending).toBe(0);
  });

  it("tells its caller in time all the same, and ends the call when the caller leaves", async () => {
    const one = bench(() => 12);
    await served(one, 1, 12);
    const told = one.ask({ call: { timeoutMs: 5 } }).catch((error: InferError) => error.message);
    await one.pass(5);
    expect(await told).toBe("no answer within the deadline of 5 ms");
    await one.pass(1000);
    const client = new AbortController();
    one.ask({ call: { timeoutMs: 5, signal: client.signal } }).catch(() => {});
    client.abort(new InferError("cancelled", "the client left"));
    expect(one.servers[0]!.calls.at(-1)?.signal.reason).toMatchObject({ code: "cancelled" });
  });

  it("ends such a call when it takes ten times as long, and that is the server's failure", async () => {
    let ms = 200;
    const one = bench(() => ms);
    await served(one, 1, 200);
    ms = 3_600_000;
    one.ask({ call: { timeoutMs: 5 } }).catch(() => {});
    await one.pass(2000, 10);
    const { signal } = one.servers[0]!.calls[1]!;
    expect(outcomeOf(signal.reason)).toBe("failure");
  });

  it("does not judge a small request by the times of larger ones", async () => {
    const one = bench((rows) => 10 * rows);
    await served(one, 16, 160);
    await sent(one, 16, 1);
    expect([await sent(one, 1, 20), await sent(one, 15, 20), await sent(one, 16, 20)]).toEqual([true, true, false]);
  });

  it("knows nothing after twenty seconds without an answer, and refuses nothing then", async () => {
    const one = bench(() => 12);
    await served(one, 1, 12);
    one.env.clock.advance(20_000);
    expect([await sent(one, 1, 5), await sent(one, 1, 5)]).toEqual([true, true]);
  });

  it("can be turned off, and lets everything but users' requests pass", async () => {
    const one = bench(() => 12, false);
    await served(one, 1, 12);
    expect([await sent(one, 1, 5), await sent(one, 1, 5)]).toEqual([true, true]);
  });
});

describe("the fastest answer of late", () => {
  const answers = fc.array(
    fc.record({ elements: fc.integer({ min: 1, max: 5000 }), ms: fc.integer({ min: 1, max: 500 }), gap: fc.nat(900) }),
    { minLength: 1, maxLength: 60 },
  );
  const asks = fc.integer({ min: 1, max: 5000 });

  /** Whether what is said is below no answer of the last ten seconds to a request no larger than half of the asked one. */
  const holds = (
    open: typeof openFastest,
    list: readonly { elements: number; ms: number; gap: number }[],
    size: number,
  ) => {
    const clock = fakeClock();
    const fastest = open(clock);
    const seen: { at: number; elements: number; ms: number }[] = [];
    for (const { elements, ms, gap } of list) {
      clock.advance(gap);
      fastest.answered(elements, ms);
      seen.push({ at: clock.now(), elements, ms });
    }
    const said = fastest.msFor(size) ?? Number.POSITIVE_INFINITY;
    const inSize = seen.filter(({ elements }) => elements <= size);
    const certain = seen.filter(({ at, elements }) => elements <= size / 2 && at > clock.now() - 10_000);
    const isKnown = said === Number.POSITIVE_INFINITY || inSize.some(({ ms }) => ms === said);
    return isKnown && certain.every(({ ms }) => said <= ms);
  };

  it("is one that came to no larger a request, and no answer of the last ten seconds was faster", () => {
    fc.assert(
      fc.property(answers, asks, (list, size) => holds(openFastest, list, size)),
      { seed: 9, numRuns: 300 },
    );
  });

  it("is told by that check from one that takes any size for any other", () => {
    const sizeless: typeof openFastest = (clock) => {
      const fastest = openFastest(clock);
      return { answered: (_, ms) => fastest.answered(1, ms), msFor: () => fastest.msFor(1) };
    };
    expect(() =>
      fc.assert(
        fc.property(answers, asks, (list, size) => holds(sizeless, list, size)),
        { seed: 9, numRuns: 300 },
      ),
    ).toThrow();
  });
});

import { describe, expect, test } from "vitest";
import { detach, fork, narrow, openCall, share } from "../../../core/call.ts";
import { openLoan } from "../../../core/loan.ts";
import { fakeClock } from "../../support/fake-env.ts";

const call = () => openCall({ id: "r1", traceparent: "", protocol: "test", clock: fakeClock() });

describe("the loan of a request's bytes", () => {
  test("is over once a backend is done with them and nobody keeps them, and not before", () => {
    const loan = openLoan();
    expect(loan.isOver).toBe(false);
    loan.done();
    expect(loan.isOver).toBe(true);
  });

  test("is never over once somebody keeps them, whether before the answer or after", () => {
    const before = openLoan();
    before.keep();
    before.done();
    const after = openLoan();
    after.done();
    after.keep();
    expect([before.isOver, after.isOver]).toEqual([false, false]);
  });

  test("is one for a call and all that is made of it", () => {
    const asked = call();
    narrow(asked, { timeoutMs: 10 }).loan.done();
    expect(asked.loan.isOver).toBe(true);
    fork(asked).loan.keep();
    expect(asked.loan.isOver).toBe(false);
  });

  test("work that goes on without its caller keeps them", () => {
    const asked = call();
    asked.loan.done();
    detach(asked, { timeoutMs: 10 }).end();
    expect(asked.loan.isOver).toBe(false);
  });

  test("work for several callers is done for all, and what it keeps it keeps for all, also for those who came later", () => {
    const [first, second, third] = [call(), call(), call()];
    const shared = share([first, second]);
    shared.join(third);
    shared.loan.done();
    expect([first, second, third].map(({ loan }) => loan.isOver)).toEqual([true, true, true]);
    shared.loan.keep();
    expect([first, second, third].map(({ loan }) => loan.isOver)).toEqual([false, false, false]);
    shared.end();
  });
});

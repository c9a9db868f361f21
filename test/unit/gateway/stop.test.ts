import { afterEach, expect, test, vi } from "vitest";
import { startGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

afterEach(() => vi.useRealTimers());

async function gatewayWhoseBackend(close: () => Promise<void>) {
  const { kind } = fakeBackend();
  const slow = {
    ...kind,
    open: async (...args: Parameters<typeof kind.open>) => ({ ...(await kind.open(...args)), close }),
  };
  return startGateway({ yaml: "backends: {a: {kind: fake}}\ndrainLimit: 1s\n", kinds: [slow] });
}

test("a gateway whose backend lets go stops whole, and only once", async () => {
  let closed = 0;
  const { running } = await gatewayWhoseBackend(async () => {
    closed += 1;
  });
  expect(await Promise.all([running.stop({ drainDelayMs: 0 }), running.stop()])).toEqual(["whole", "whole"]);
  expect(closed).toBe(1);
});

test("a backend that never lets go holds the stop for ten seconds and no longer", async () => {
  const { running } = await gatewayWhoseBackend(() => new Promise(() => {}));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let end: string | undefined;
  const stopping = running.stop({ drainDelayMs: 0 }).then((how) => {
    end = how;
  });
  // real turns of the loop, in which the listeners close
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await vi.advanceTimersByTimeAsync(9_999);
  expect(end).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  await stopping;
  expect(end).toBe("cut");
});

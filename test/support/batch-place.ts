// An endpoint that a test scripts: y = 3x + 1 after as long as the test says, and what goes wrong where wanted.

import type { Endpoint, Slots } from "../../core/backend.ts";
import type { Call } from "../../core/call.ts";
import { InferError, invalid } from "../../core/error.ts";
import type { Candidate } from "../../core/policy.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import type { Tensor } from "../../core/tensor.ts";
import { answerTo } from "./batch-model.ts";
import type { FakeEnv } from "./fake-env.ts";

/** What an endpoint does wrong with one call. */
export type Wrong = "error" | "invalid" | "hang" | "deaf" | "short" | "long" | "swapped-outputs" | "crash" | "stream";

export interface PlaceInit {
  readonly id: string;
  readonly slots?: number;
  readonly exact?: boolean;
  /** How long a run of so many rows takes. */
  readonly serviceMs?: (rows: number) => number;
  /** What goes wrong with this call, if anything. */
  readonly wrong?: (rows: number) => Wrong | undefined;
}

export interface PlaceFake {
  readonly candidate: Candidate;
  /** Every call it was given. */
  readonly asked: { readonly request: InferRequest; readonly call: Call; readonly at: number }[];
  /** Running now. */
  busy: number;
  healthy: boolean;
  /** Who waits to hear of a free slot. */
  readonly listeners: Set<() => void>;
}

export function fakePlace(init: PlaceInit, env: FakeEnv): PlaceFake {
  const { id, slots: most = 1, exact = true, serviceMs = () => 1, wrong = () => undefined } = init;
  const self: PlaceFake = { asked: [], busy: 0, healthy: true, listeners: new Set(), candidate: {} as Candidate };
  const slots: Slots = {
    exact,
    get free() {
      return Math.max(0, most - self.busy);
    },
    get busy() {
      return self.busy;
    },
    take: async () => ({ release: () => {} }),
    onFree(listener) {
      self.listeners.add(listener);
      return () => void self.listeners.delete(listener);
    },
  };
  const service: Service = (request, call) => {
    self.asked.push({ request, call, at: env.clock.now() });
    const rows = request.inputs[0]?.shape[0] ?? 0;
    const fault = wrong(rows);
    if (fault === "crash") throw new TypeError("crashed");
    self.busy += 1;
    return new Promise<Reply>((resolve, reject) => {
      const end = (settle: () => void) => {
        self.busy -= 1;
        stop();
        call.signal.removeEventListener("abort", onAbort);
        settle();
        for (const listener of [...self.listeners]) listener();
      };
      const onAbort = () => end(() => reject(call.signal.reason));
      const done = () =>
        end(() => {
          call.trace.learn({ backend: "b", endpoint: id });
          try {
            resolve(spoiled(answerTo(request), fault));
          } catch (error) {
            reject(error);
          }
        });
      // one that is deaf goes on for a second whatever the caller does
      const stop = fault === "hang" ? () => {} : env.clock.after(fault === "deaf" ? 1000 : serviceMs(rows), done);
      if (fault !== "deaf") call.signal.addEventListener("abort", onAbort, { once: true });
    });
  };
  const endpoint: Endpoint = {
    id,
    zone: undefined,
    weight: 1,
    tier: 0,
    tags: [],
    infer: service,
    slots,
    available: () => self.healthy && (exact || slots.free > 0),
    serves: () => true,
    ready: async () => true,
    close: async () => {},
  };
  const candidate: Candidate = { endpoint, available: () => endpoint.available(), serves: () => true, service };
  return Object.assign(self, { candidate });
}

function spoiled(answer: InferResponse, fault: Wrong | undefined): Reply {
  const [y, text] = answer.outputs as readonly [Tensor, Tensor];
  const [rows = 0, ...row] = y.shape;
  const rowBytes = rows === 0 ? 4 : y.data.byteLength / rows;
  switch (fault) {
    case "error":
      throw new InferError("unavailable", "the endpoint failed");
    case "invalid":
      throw invalid("refused for no reason");
    case "short":
      return { ...answer, outputs: [{ ...y, shape: [rows - 1, ...row], data: y.data.subarray(rowBytes) }, text] };
    case "long":
      return {
        ...answer,
        outputs: [{ ...y, shape: [rows + 1, ...row], data: new Uint8Array((rows + 1) * rowBytes) }, text],
      };
    case "swapped-outputs":
      return {
        ...answer,
        outputs: [
          { ...text, name: "y" },
          { ...y, name: "text" },
        ],
      };
    case "stream":
      return { kind: "stream", parts: (async function* () {})() };
    default:
      return answer;
  }
}

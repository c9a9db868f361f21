// A gateway in a process of its own that tells what its heap's old generation holds; its parent asks the models.

import { constants, PerformanceObserver } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { getHeapSpaceStatistics } from "node:v8";
import { tuneHeap } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { startGateway } from "./gateway.ts";
import { fakeBackend } from "./gateway-fake-backend.ts";
import { wholeReply } from "./scripted.ts";

/** `mark` has the whole heap marked, and what becomes old is counted from there; `read` tells how much it is. */
export type Word = "mark" | "read";

export interface HeapFacts {
  readonly oldBytes: number;
  /** How often the heap was marked since the last `mark`. */
  readonly marked: number;
}

export interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

let marked = 0;
new PerformanceObserver((list) => {
  const entries = list.getEntries() as unknown as readonly { readonly detail: { readonly kind: number } }[];
  marked += entries.filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length;
}).observe({ entryTypes: ["gc"] });

async function factsOf(word: Word): Promise<HeapFacts> {
  await globalThis.gc?.({ type: word === "mark" ? "major" : "minor", execution: "async" });
  // observers hear of a collection some turns later
  for (let i = 0; i < 5; i += 1) await turn();
  if (word === "mark") marked = 0;
  const old = getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space");
  return { oldBytes: old?.space_used_size ?? 0, marked };
}

/** The latest of all that the model below was asked, with their callers. */
const hoard: object[] = [];
const HOARD = 1000;
const SPEC = { name: "x", datatype: "FP32", shape: [-1] } as const;

const fake = fakeBackend();
fake.put("hoarder", "1", {
  inputs: [SPEC],
  outputs: [SPEC],
  async service(request, call) {
    if (hoard.push([request, call]) > HOARD) hoard.shift();
    return wholeReply("hoarder", "1", { outputs: request.inputs });
  },
});

tuneHeap();
const gateway = await startGateway({ yaml: process.argv[2] ?? "", kinds: [...kinds.backends, fake.kind] });
process.on("message", async (word: Word) => void process.send?.(await factsOf(word)));
process.once("disconnect", () => process.exit());
const { port, adminPort } = gateway;
process.send?.({ port, adminPort } satisfies Ports);

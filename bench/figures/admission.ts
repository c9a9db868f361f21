// Figure m: what admission earns the cache, and how often the model is asked when many ask the same at once.

import { hitPercent, scanned, zipf } from "../../test/support/popularity.ts";
import type { Effort, Figure, Finding, Row } from "../figure.ts";
import { binaryBody, jsonBody, post } from "../http-bytes.ts";
import { type KeptCounts, type KeptSetup, SLOW_MODEL, SLOW_MS } from "../kept.ts";
import { CLIENT_CORE, SERVER_CORE, withPrograms } from "../programs.ts";

const DIFFERENT = 20_000;
const ENTRIES = 1_000;
const ASKED = { zipf: 200_000, scan: 60_000 };
const CALLERS = 1_000;
/** Until then every caller has connected and asked, and none has an answer. */
const ASK_MS = SLOW_MS / 2;

export const admission: Figure = {
  letter: "m",
  name: "admission",
  question: "How many more hits does admission earn than plain LRU, and how often is the model asked by 1,000 at once?",
  async measure(effort, say) {
    say("hits");
    const hits = measureHits(effort);
    say(`${CALLERS} at once`);
    return [hits, await measureAtOnce()];
  },
};

function measureHits({ quick }: Effort): Finding {
  const few = quick ? 0.1 : 1;
  const traces = [
    { name: `zipf 0.9 over ${DIFFERENT}`, asked: () => zipf(ASKED.zipf * few, DIFFERENT) },
    { name: "a scan: each followed by two asked once", asked: () => scanned(ASKED.scan * few, DIFFERENT) },
  ];
  const rows = traces.map(({ name, asked }): Row & { readonly ratio: number } => {
    const lru = hitPercent(asked(), { entries: ENTRIES, admission: false });
    const admitted = hitPercent(asked(), { entries: ENTRIES, admission: true });
    return {
      name,
      cells: { "LRU %": lru, "with admission %": admitted, ratio: admitted / lru },
      ratio: admitted / lru,
    };
  });
  return {
    title: `hits with room for ${ENTRIES} answers of one size`,
    rows: rows.map(({ name, cells }) => ({ name, cells })),
    goals: rows.map(({ name, ratio }) => ({ what: `${name}, hits by those of LRU`, want: { atLeast: 1 }, got: ratio })),
    notes: ["simulated on the cache's own store with seeded questions: the same on every machine"],
  };
}

/** Half of the callers send JSON and half binary tensors: they ask one question. */
function measureAtOnce(): Promise<Finding> {
  return withPrograms(async (start) => {
    const input: KeptSetup = { log: "info" };
    const gateway = await start("programs/kept.ts", { core: SERVER_CORE, input, mute: true });
    const client = await start("programs/client.ts", { core: CLIENT_CORE });
    const one = { name: "x", shape: [1, 4], values: Float32Array.of(0.5, 1, 1.5, 2) };
    const path = `/v2/models/${SLOW_MODEL}/infer`;
    const requests = [post(path, binaryBody(one)), post(path, jsonBody(one, String))];
    const port = await gateway.ask<number>("port");
    await client.ask("load", { port, requests, connections: CALLERS, warmMs: 0, measureMs: ASK_MS });
    const { calls, states } = await gateway.ask<KeptCounts>("counts", SLOW_MODEL);
    const { hit = 0, miss = 0, coalesced = 0 } = states;
    if (hit + miss + coalesced !== CALLERS) throw new Error(`expected ${CALLERS} asked, got ${JSON.stringify(states)}`);
    return {
      title: `${CALLERS} callers ask the same at once, half in JSON and half in binary`,
      rows: [{ name: "through the gateway", cells: { "calls of the model": calls, miss, coalesced, hit } }],
      goals: [{ what: "calls of the model", want: { atMost: 1 }, got: calls }],
      notes: [`the model takes ${SLOW_MS / 1000} s, until when all have asked`],
    };
  });
}

// A batcher whose one slot is taken at the beginning, and what its endpoints were sent.

import { openBench } from "./batch.ts";

/** An endpoint with one slot. */
export const place = { id: "b/1" };

/** How many rows each call to an endpoint had. */
export function sizes(bench: ReturnType<typeof openBench>, at = 0): readonly (number | undefined)[] {
  return bench.fakes[at]?.asked.map(({ request }) => request.inputs[0]?.shape[0]) ?? [];
}

/** A bench whose one slot is taken for 1 ms, so that what comes now waits together. */
export async function busyBench(init: Partial<Parameters<typeof openBench>[0]> = {}) {
  const bench = openBench({ places: [{ ...place, serviceMs: () => 1 }], ...init });
  const first = bench.ask([0]);
  await bench.settle();
  return { ...bench, first };
}

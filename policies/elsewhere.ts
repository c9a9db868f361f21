// Whether there is another endpoint to ask.

import type { Candidates } from "../core/policy.ts";

/** Whether one that has the model and may be given work now is not among those to avoid, by id. */
export function isElsewhere(candidates: Candidates, avoid: readonly string[]): boolean {
  return candidates.list().some((one) => !avoid.includes(one.endpoint.id) && one.serves() && one.available());
}

/** Whether one of them could begin a call now, or has a queue in which it is counted. */
export function hasRoomElsewhere(candidates: Candidates, avoid: readonly string[]): boolean {
  return candidates.list().some((one) => {
    const { id, slots } = one.endpoint;
    return !avoid.includes(id) && (slots.exact === true || slots.free > 0) && one.serves() && one.available();
  });
}

/** The list with the endpoint, once. */
export function alsoAvoid(avoid: readonly string[], endpoint: string | undefined): readonly string[] {
  return endpoint === undefined || avoid.includes(endpoint) ? avoid : [...avoid, endpoint];
}

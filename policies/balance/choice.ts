// Who of the endpoints that may be asked is asked: one that is spoken for, or the one that the picker chooses.

import type { Call } from "../../core/call.ts";
import type { Pick, PickerName } from "./pickers.ts";
import type { Seat } from "./seats.ts";

/** A choice among those that may be asked, also where there is none to be made. */
export type Choice = (eligible: readonly Seat[], call: Call) => Chosen;

export interface Chosen {
  readonly seat: Seat | undefined;
  /** Absent where it was the only one. */
  readonly why?: () => string;
  /** It was not the picker who chose. */
  readonly apart?: true;
}

export function openChoice(pick: Pick): Choice {
  return (eligible, call) => {
    if (eligible.length < 2) return { seat: eligible[0] };
    const probed = due(eligible, call);
    if (probed !== undefined) return { seat: probed, why: isDue, apart: true };
    const wanted = preferred(eligible, call);
    if (wanted !== undefined) return { seat: wanted, why: preferredBy(call), apart: true };
    return pick(eligible, call) ?? NOBODY;
  };
}

const NOBODY: Chosen = { seat: undefined };
const isDue = () => "its breaker waits for a probe";
const isPreferred = () => "chosen for the batch";

function preferredBy({ attempt }: Call): () => string {
  const { preferredBy: told } = attempt;
  return told === undefined ? isPreferred : () => `chosen for the batch: ${told()}`;
}

/** Where the call's sender has chosen already, as a batcher does, which knows who has a slot free. */
function preferred(eligible: readonly Seat[], { attempt }: Call): Seat | undefined {
  if (attempt.prefer === undefined || attempt.avoid.includes(attempt.prefer)) return undefined;
  return eligible.find(({ candidate }) => candidate.endpoint.id === attempt.prefer);
}

/** Where a breaker waits for its probe: a batch may be one, a retry not, and a sequence not, which could not begin again. */
function due(eligible: readonly Seat[], { attempt, sequence }: Call): Seat | undefined {
  if (attempt.n > 1 || sequence !== undefined) return undefined;
  return eligible.find(({ candidate }) => candidate.due?.() === true);
}

/** What it was chosen among. */
export interface Among {
  readonly by: PickerName;
  readonly of: number;
  readonly panic: boolean;
}

/** `gpu/10.0.0.7:8000 of 3 (least-time: 12.1 ms, others 14.0, 31.5)`. */
export function describeChoice({ seat, why, apart }: Chosen, { by, of, panic }: Among): string {
  const which = `${seat?.candidate.endpoint.id ?? "one"} of ${of}${panic ? ", health not believed" : ""}`;
  if (why === undefined) return which;
  return `${which} (${apart ? "" : `${by}: `}${why()})`;
}

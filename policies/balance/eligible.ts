// Which endpoints a request may go to: those that have the model and are healthy, near ones first.

import type { Seat } from "./seats.ts";

export interface View {
  /** The gateway's own zone. */
  readonly zone: string | undefined;
  readonly spillBelow: number;
  readonly panicBelow: number;
  random(): number;
}

export interface Eligible {
  readonly seats: readonly Seat[];
  /** So few are healthy that health is not believed. */
  readonly panic: boolean;
}

/**
 * The seats to choose among. Lower tiers come first, and within a tier the gateway's own zone; a level that is healthy by
 * less than `spillBelow` leaves a share of its work to the next one, as much as it falls short by. Endpoints in `avoid`,
 * those that have as many calls as they may and those that asked for a pause are left out as long as any other is there.
 */
export function eligibleSeats(all: readonly Seat[], avoid: readonly string[], view: View): Eligible {
  const serving = all.filter(({ candidate }) => candidate.serves());
  // where nobody else has the model there is no health to compare, and a breaker is to be believed, so that callers fail fast
  if (serving.length < 2) return { seats: serving, panic: false };
  const healthy = serving.filter((seat) => seat.available());
  const panic = healthy.length < view.panicBelow * serving.length;
  const usable = panic ? serving : healthy;
  const others = (from: readonly Seat[]) => from.filter(({ candidate }) => !avoid.includes(candidate.endpoint.id));
  // another try goes to one that is healthy where there is one, panic or not: the first may have gone to one that is not
  const asked = avoid.length === 0 ? usable : ([others(healthy), others(usable)].find(isSome) ?? usable);
  const open = asked.filter(hasRoom);
  const rested = open.filter((seat) => !seat.paused());
  const seats = [rested, open].find(isSome) ?? asked;
  return { seats: panic ? seats : nearest(seats, serving, view), panic };
}

function isSome({ length }: readonly Seat[]): boolean {
  return length > 0;
}

/** Workers queue what they cannot run at once, and that is counted in their time; a server's limit keeps it from all more. */
function hasRoom({ candidate }: Seat): boolean {
  const { slots } = candidate.endpoint;
  return slots.exact === true || slots.free > 0;
}

function nearest(usable: readonly Seat[], serving: readonly Seat[], view: View): readonly Seat[] {
  const levels = [...new Set(usable.map((seat) => levelOf(seat, view)))].sort((a, b) => a - b);
  if (levels.length < 2) return usable;
  for (const level of levels.slice(0, -1)) {
    const here = usable.filter((seat) => levelOf(seat, view) === level);
    const total = serving.filter((seat) => levelOf(seat, view) === level).length;
    const share = here.length / total / view.spillBelow;
    if (share >= 1 || view.random() < share) return here;
  }
  const last = levels.at(-1);
  return usable.filter((seat) => levelOf(seat, view) === last);
}

function levelOf({ candidate }: Seat, { zone }: View): number {
  const { tier, zone: there } = candidate.endpoint;
  return 2 * tier + (zone === undefined || zone === there ? 0 : 1);
}

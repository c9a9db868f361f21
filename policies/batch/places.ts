// The endpoints as the batcher sees them: how many batches each could begin now.

import type { Candidate, Candidates } from "../../core/policy.ts";

/** Somewhere a batch can be sent. */
export interface Place {
  /** The endpoint's id; absent where the balancer below is left to find one. */
  readonly id?: string;
  /** Our batches that are there now. */
  own: number;
  /** What a batch waited there lately before it ran, in milliseconds. */
  queuedMs: number;
}

export interface Places {
  /**
   * Those that could begin a batch now, with how many each; none when all that could are busy.
   *
   * @param isOff whether batching gains nothing there now, so that nothing is held back for it
   */
  free(isOff: (place: Place) => boolean): readonly { readonly place: Place; readonly slots: number }[];
  /** The one endpoint, where there is but one and it could begin a batch now while none of ours is there. */
  onlyFree(): Place | undefined;
  /** Calls back once when one that is not ours has gone from an endpoint. */
  whenFreed(callback: () => void): void;
  /** The list of endpoints is another one than at the last look. */
  changed(): boolean;
  /** Whether there is more than one endpoint to choose from. */
  readonly several: boolean;
}

export interface PlacesOptions {
  readonly candidates: Candidates;
  /** The most batches at one endpoint that does not know how much it runs at once. */
  readonly inFlight: number;
}

export function openPlaces({ candidates, inFlight }: PlacesOptions): Places {
  const places = new WeakMap<Candidate, Place>();
  const anywhere: Place = { own: 0, queuedMs: 0 };
  let list: readonly Candidate[] = [];
  let stops: readonly (() => void)[] = [];

  const placeOf = (candidate: Candidate): Place => {
    const known = places.get(candidate);
    if (known !== undefined) return known;
    const place = { id: candidate.endpoint.id, own: 0, queuedMs: 0 };
    places.set(candidate, place);
    return place;
  };
  const slotsOf = (candidate: Candidate, isOff: (place: Place) => boolean): number => {
    const { slots } = candidate.endpoint;
    const place = placeOf(candidate);
    // a batch on its way there may not be counted there yet
    const free = slots.free + slots.busy - Math.max(slots.busy, place.own);
    return slots.exact || isOff(place) ? free : Math.min(free, inFlight - place.own);
  };
  const stopWaiting = () => {
    for (const stop of stops) stop();
    stops = [];
  };

  return {
    free(isOff) {
      list = candidates.list();
      const serving = list.filter((one) => one.serves());
      const free = serving
        .filter((one) => one.available())
        .map((one) => ({ place: placeOf(one), slots: slotsOf(one, isOff) }))
        .filter(({ slots }) => slots > 0);
      if (free.length > 0 || serving.some(isBusy) || serving.some((one) => placeOf(one).own > 0)) return free;
      // nobody can take work for another reason: the layers below say which, or find somebody all the same
      return anywhere.own < inFlight ? [{ place: anywhere, slots: inFlight - anywhere.own }] : [];
    },
    onlyFree() {
      list = candidates.list();
      const [only] = list;
      if (only === undefined || list.length > 1 || !only.serves() || !only.available()) return undefined;
      return only.endpoint.slots.free > 0 ? placeOf(only) : undefined;
    },
    whenFreed(callback) {
      stopWaiting();
      stops = list.map(({ endpoint }) =>
        endpoint.slots.onFree(() => {
          stopWaiting();
          callback();
        }),
      );
    },
    changed: () => candidates.list() !== list,
    get several() {
      return list.length > 1;
    },
  };
}

function isBusy({ endpoint }: Candidate): boolean {
  return endpoint.slots.free === 0 && endpoint.slots.busy > 0;
}

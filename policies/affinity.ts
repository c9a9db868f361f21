// affinity: equal keys go to the same branch, by rendezvous hashing with bounded load.

import { z } from "zod";
import type { RouteKind } from "../core/policy.ts";
import { whenEnded } from "../core/request.ts";
import { type Branch, branchName } from "../core/route.ts";
import type { Service } from "../core/service.ts";
import { choose, describeChosen } from "./balance/rendezvous.ts";
import { sourceName, type UnitSource, unitOf, unitWord } from "./route/words.ts";

export interface AffinityOptions {
  readonly key: UnitSource;
  readonly over: readonly { readonly to: Branch; readonly weight: number }[];
}

export const affinity: RouteKind<AffinityOptions> = {
  place: "route",
  word: "affinity",
  options: (branch) =>
    z
      .strictObject({
        key: unitWord(
          "What stays together: {header: x-user-id}, {cookie: uid}, {query: user}, {parameter: user}, tenant or peer.",
        ),
        over: z
          .array(
            z.strictObject({
              to: branch,
              weight: z.int().min(1).max(1_000_000).default(1).describe("Its part of the keys."),
            }),
          )
          .min(1)
          .describe("The branches and their weights, 1 where nothing is said."),
      })
      .describe("Equal keys go to the same branch, as long as it has not much more to do than its share."),
  branches: ({ over }) => over.map(({ to }, i) => ({ path: ["over", i, "to"], it: to })),
  build({ key: source, over }, context) {
    const names = over.map(({ to }) => branchName(to));
    const places = over.map(({ to, weight }, i) => {
      const name = names[i] ?? "";
      // two routers of one word are told apart by their place in the list
      const id = names.indexOf(name) === i ? name : `${name} ${i}`;
      return openPlace({ name, id, weight, service: context.open(to) });
    });
    return async (request, call) => {
      const key = unitOf(source, request, call);
      const chosen = key === undefined ? undefined : choose(key, places);
      const place = chosen?.place ?? leastBusy(places);
      const load = place.outstanding() + 1;
      call.trace.decide("affinity", () => {
        if (key === undefined || chosen === undefined)
          return `${place.name} no ${sourceName(source)} (${load} in flight)`;
        return `${place.name} by ${sourceName(source)} (hash ${describeChosen(key, chosen)})`;
      });
      if (call.purpose === "explain") return place.service(request, call);
      return place.counted(request, call);
    };
  },
};

interface Place {
  readonly name: string;
  readonly id: string;
  readonly weight: number;
  outstanding(): number;
  readonly service: Service;
  /** The service, its work counted until the last part of its answer. */
  readonly counted: Service;
}

function openPlace(place: Pick<Place, "name" | "id" | "weight" | "service">): Place {
  const { service } = place;
  let outstanding = 0;
  return {
    ...place,
    outstanding: () => outstanding,
    async counted(request, call) {
      outstanding += 1;
      const done = () => {
        outstanding -= 1;
      };
      try {
        const reply = await service(request, call);
        if (reply.kind === "stream") return { kind: "stream", parts: whenEnded(reply.parts, done) };
        done();
        return reply;
      } catch (error) {
        done();
        throw error;
      }
    },
  };
}

/** The one with the least to do for its weight; the first of several. */
function leastBusy(places: readonly Place[]): Place {
  return places.reduce((best, one) => (one.outstanding() / one.weight < best.outstanding() / best.weight ? one : best));
}

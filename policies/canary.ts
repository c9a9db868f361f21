// canary: a share of the units, chosen by a hash and the same everywhere, gets the candidate; who is in at 5 % stays in at 20 %.

import { z } from "zod";
import type { Call } from "../core/call.ts";
import type { RouteContext, RouteKind } from "../core/policy.ts";
import type { InferRequest } from "../core/request.ts";
import { type Branch, branchName } from "../core/route.ts";
import type { Service } from "../core/service.ts";
import { BUCKETS, bucketsFor, placeOf } from "./route/bucket.ts";
import { openTurns } from "./route/steady.ts";
import { forceWord, percent, sourceName, type UnitSource, unitOf, unitWord } from "./route/words.ts";

export interface CanaryOptions {
  readonly stable: Branch;
  readonly candidate: Branch;
  readonly percent: number;
  readonly unit: UnitSource;
  readonly salt?: string | undefined;
  readonly force?: string | undefined;
  readonly without: "stable" | "weighted";
}

export const canary: RouteKind<CanaryOptions> = {
  place: "route",
  word: "canary",
  options: (branch) =>
    z
      .strictObject({
        stable: branch,
        candidate: branch,
        percent: percent("The share of the units that get the candidate, in percent."),
        unit: unitWord(UNIT),
        salt: z.string().min(1).optional().describe(SALT),
        force: forceWord(),
        without: z
          .enum(["stable", "weighted"])
          .default("stable")
          .describe("Where requests without a unit go: all to stable, or in turns by the percentage."),
      })
      .describe("A share of the units gets the candidate, always the same ones."),
  branches: ({ stable, candidate }) => [
    { path: ["stable"], it: stable },
    { path: ["candidate"], it: candidate },
  ],
  experiment: ({ salt, percent }) => (salt === undefined ? undefined : { name: salt, split: `canary ${percent}` }),
  build: (options, context) => openCanary(options, context),
};

/** What is said of the word `unit`. */
const UNIT =
  "What stays on one side: {header: x-user-id}, {cookie: uid}, {query: user}, {parameter: user}, tenant or peer.";
const SALT = "The name under which units are spread; the model and the candidate's name where nothing is said.";

type Chosen = "stable" | "candidate";

function openCanary(options: CanaryOptions, context: RouteContext): Service {
  const services = { stable: context.open(options.stable), candidate: context.open(options.candidate) };
  const choose = openChooser(options, context);
  return async (request, call) => {
    const { chosen, said } = choose(request, call);
    call.trace.decide("canary", said);
    return services[chosen](request, call);
  };
}

interface Choice {
  readonly chosen: Chosen;
  readonly said: string;
}

function openChooser(options: CanaryOptions, context: RouteContext): (request: InferRequest, call: Call) => Choice {
  const { unit: source, percent, force, without } = options;
  const [stable, candidate] = [branchName(options.stable), branchName(options.candidate)];
  const experiment = options.salt ?? `${context.model}/${candidate}`;
  const threshold = bucketsFor(percent);
  const turns = openTurns([BUCKETS - threshold, threshold]);
  const shares = new Map([
    ["stable", 1 - threshold / BUCKETS],
    ["candidate", threshold / BUCKETS],
  ]);
  const in_ = `${candidate} ${percent}%`;
  const none = `no ${sourceName(source)}`;
  return (request, call) => {
    const wanted = force === undefined ? undefined : forced(call, force, { stable, candidate });
    if (wanted !== undefined && force !== undefined && context.tester(call)) {
      return { chosen: wanted, said: `${wanted === "stable" ? stable : candidate} forced by header ${force}` };
    }
    const unit = unitOf(source, request, call);
    if (unit === undefined) {
      if (without === "stable") return { chosen: "stable", said: `${stable} ${none} (${in_})` };
      const turn = call.purpose === "explain" ? turns.peek() : turns.take();
      return turn === 1
        ? { chosen: "candidate", said: `${in_} ${none}, in turns` }
        : { chosen: "stable", said: `${stable} ${none}, in turns (${in_})` };
    }
    const { bucket, hash } = placeOf(experiment, unit);
    const chosen = bucket < threshold ? "candidate" : "stable";
    if (call.purpose === "user")
      context.expose({ model: context.model, experiment, unit, hash, variant: chosen, shares });
    const said =
      chosen === "candidate"
        ? `${in_} bucket ${bucket} < ${threshold}`
        : `${stable} bucket ${bucket} >= ${threshold} (${in_})`;
    return { chosen, said };
  };
}

/** The side that a tester names, by its role or by the name of its branch. */
function forced(call: Call, header: string, names: Readonly<Record<Chosen, string>>): Chosen | undefined {
  const wanted = call.headers.get(header);
  if (wanted === undefined) return undefined;
  if (wanted === "stable" || wanted === names.stable) return "stable";
  return wanted === "candidate" || wanted === names.candidate ? "candidate" : undefined;
}

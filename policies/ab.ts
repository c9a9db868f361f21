// ab: an experiment with named variants: each unit has one, the same on every replica and for every protocol.

import { z } from "zod";
import type { RouteContext, RouteKind } from "../core/policy.ts";
import type { Branch } from "../core/route.ts";
import type { Service } from "../core/service.ts";
import { BUCKETS, bucketsFor, placeOf } from "./route/bucket.ts";
import { type Range, rangesOf } from "./route/lanes.ts";
import { openTurns } from "./route/steady.ts";
import { forceWord, percent, sourceName, type UnitSource, unitOf, unitWord } from "./route/words.ts";

export interface Variant {
  readonly name: string;
  readonly to: Branch;
  readonly percent: number;
}

export interface AbOptions {
  readonly name: string;
  readonly unit: UnitSource;
  /** The control is the first. */
  readonly variants: readonly [Variant, ...Variant[]];
  readonly salt?: string | undefined;
  readonly force?: string | undefined;
  readonly without: "control" | "weighted";
}

export const ab: RouteKind<AbOptions> = {
  place: "route",
  word: "ab",
  options: (branch) =>
    z
      .strictObject({
        name: z.string().min(1).describe("The experiment's name, in records of exposures and in metrics."),
        unit: unitWord(
          "What has one variant: {header: x-user-id}, {cookie: uid}, {query: user}, {parameter: user}, tenant or peer.",
        ),
        variants: z
          .record(
            z.string().min(1),
            z.strictObject({ to: branch, percent: percent("The variant's share of the units, in percent.") }),
          )
          .refine((variants) => Object.keys(variants).length > 1, { error: "expected at least two variants" })
          .superRefine((variants, context) => {
            const sum = Object.values(variants).reduce((total, one) => total + bucketsFor(one.percent), 0);
            if (sum === BUCKETS) return;
            const message = `expected percentages that come to 100, got ${sum / (BUCKETS / 100)}`;
            context.addIssue({ code: "custom", message });
          })
          .describe("The variants by name. The one named control, else the first, is what the others grow from."),
        salt: z
          .string()
          .min(1)
          .optional()
          .describe("What units are spread by; the experiment's name where nothing is said."),
        force: forceWord(),
        without: z
          .enum(["control", "weighted"])
          .default("control")
          .describe("Where requests without a unit go: all to the control, or in turns by the percentages."),
      })
      .transform(({ variants, ...rest }): AbOptions => ({ ...rest, variants: ordered(variants) }))
      .describe("An experiment: each unit gets one of the variants, always the same one."),
  branches: ({ variants }) => variants.map(({ name, to }) => ({ path: ["variants", name, "to"], it: to })),
  experiment: ({ name, salt, unit, variants }) => ({
    name,
    split: JSON.stringify([salt, unit, variants.map((one) => [one.name, one.percent])]),
  }),
  build: (options, context) => openAb(options, context),
};

function ordered(variants: Readonly<Record<string, { readonly to: Branch; readonly percent: number }>>) {
  const list = Object.entries(variants).map(([name, one]) => ({ name, ...one }));
  const control = list.find(({ name }) => name === "control") ?? list[0];
  return [control, ...list.filter((one) => one !== control)] as unknown as AbOptions["variants"];
}

interface Opened extends Variant {
  readonly service: Service;
}

function openAb(options: AbOptions, context: RouteContext): Service {
  const { name: experiment, unit: source, force, without } = options;
  const opened = options.variants.map((one): Opened => ({ ...one, service: context.open(one.to) }));
  const [control, ...others] = opened as [Opened, ...Opened[]];
  const ranges = rangesOf(others.map((one) => bucketsFor(one.percent)));
  const turns = openTurns(opened.map((one) => bucketsFor(one.percent)));
  const shares = new Map(opened.map((one) => [one.name, bucketsFor(one.percent) / BUCKETS]));
  const salt = options.salt ?? experiment;
  const say = ({ name, percent }: Opened, why: string) => `${experiment} ${name} ${percent}% ${why}`;
  return async (request, call) => {
    const take = (variant: Opened, why: string) => {
      call.trace.decide("ab", say(variant, why));
      return variant.service(request, call);
    };
    const wanted = force === undefined ? undefined : opened.find(({ name }) => name === call.headers.get(force));
    if (wanted !== undefined && context.tester(call)) return take(wanted, `forced by header ${force}`);
    const unit = unitOf(source, request, call);
    if (unit === undefined) {
      if (without === "control") return take(control, `no ${sourceName(source)}`);
      const turn = call.purpose === "explain" ? turns.peek() : turns.take();
      return take(opened[turn] ?? control, `no ${sourceName(source)}, in turns`);
    }
    const { bucket, hash } = placeOf(salt, unit);
    const range = rangeOf(ranges, bucket);
    const variant = others[range.variant] ?? control;
    if (call.purpose === "user") {
      context.expose({ model: context.model, experiment, unit, hash, variant: variant.name, shares });
    }
    return take(variant, `bucket ${bucket} in [${range.from}, ${range.to})`);
  };
}

/** The ranges are few and cover every bucket. */
function rangeOf(ranges: readonly Range[], bucket: number): Range {
  return ranges.find(({ to }) => bucket < to) ?? { from: 0, to: BUCKETS, variant: -1 };
}

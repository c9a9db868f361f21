// Notes which unit met which variant: one record at first sight, counts, and whether the split is as it should be.

import type { ExposuresConfig } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { Exposure } from "../core/route.ts";
import { openSampleRatio, type SampleRatio } from "../policies/exposures/sample-ratio.ts";
import { openSeen, type Seen } from "../policies/exposures/seen.ts";
import { openQueue, type Queue, type Sink } from "./exposures/queue.ts";
import { openSink } from "./exposures/sinks.ts";

export interface Exposures {
  /** Never blocks and never throws. */
  note(exposure: Exposure): void;
  close(): Promise<void>;
}

export interface ExposuresOptions {
  /** Nothing is written where undefined; units are counted all the same. */
  readonly config: ExposuresConfig | undefined;
  readonly baseDir: string;
  readonly env: Env;
  /** In place of the config's sink, for tests. */
  readonly sink?: Sink;
}

/** Units remembered for each variant at least. */
const REMEMBERED = 50_000;
/** Variants of experiments that are followed; the config names them, so they are few, but configs change. */
const MAX_VARIANTS = 1_000;
/** A split that is as bad as this by chance once in a thousand experiments is warned of. */
const ALARM_P = 0.001;
/** A longer unit is written as its hash, in characters. */
const MAX_UNIT = 256;

/** An experiment with one split; another split counts anew. */
interface Followed {
  readonly ratio: SampleRatio;
  readonly seen: ReadonlyMap<string, Seen>;
  warned: boolean;
}

export function openExposures(options: ExposuresOptions): Exposures {
  const { env, config } = options;
  const followed = new Map<string, Followed>();
  const queue = config === undefined ? undefined : queueOf(config, options);
  const follow = ({ experiment, shares }: Exposure): Followed => {
    const key = JSON.stringify([experiment, ...shares]);
    const known = followed.get(key);
    if (known !== undefined) return known;
    if (followed.size >= MAX_VARIANTS) followed.delete(followed.keys().next().value ?? "");
    const seen = new Map([...shares.keys()].map((variant) => [variant, openSeen(REMEMBERED)]));
    const fresh: Followed = { ratio: openSampleRatio(shares), seen, warned: false };
    followed.set(key, fresh);
    return fresh;
  };
  return {
    note(exposure) {
      const { experiment, variant, hash } = exposure;
      const at = follow(exposure);
      if (at.seen.get(variant)?.first(hash) !== true) return;
      at.ratio.add(variant);
      env.emit({ type: "exposure", experiment, variant });
      env.emit({ type: "sample-ratio", experiment, p: at.ratio.p });
      if (at.ratio.p < ALARM_P && !at.warned) {
        at.warned = true;
        env.log.warn(
          { experiment, p: at.ratio.p, ...splitOf(exposure, at.ratio) },
          "an experiment's split is not as it should be",
        );
      }
      queue?.push(recordOf(exposure, env.clock.wall()));
    },
    close: async () => queue?.close(),
  };
}

function queueOf({ to, everyMs, batch, queue }: ExposuresConfig, { baseDir, env, sink }: ExposuresOptions): Queue {
  return openQueue({ sink: sink ?? openSink(to, baseDir, env.clock), everyMs, batch, limit: queue, env });
}

function splitOf({ shares }: Exposure, { counts }: SampleRatio) {
  return { expected: Object.fromEntries(shares), got: Object.fromEntries(counts) };
}

/** One line of JSON; `atMs` is milliseconds since the epoch. */
function recordOf({ experiment, unit, variant, model, hash }: Exposure, atMs: number): string {
  const short = unit.length <= MAX_UNIT ? unit : `hash:${hash.toString(16)}`;
  return JSON.stringify({ atMs: Math.round(atMs), experiment, unit: short, variant, model });
}

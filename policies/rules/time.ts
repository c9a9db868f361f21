// Windows of time in which a rule holds: hours of the day, days of the week, and between two moments.

import { z } from "zod";
import type { Clock } from "../../core/env.ts";

export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

export interface TimeWindow {
  /** Minutes after midnight; a window whose end is not after its begin goes over midnight. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly days?: readonly (typeof DAYS)[number][] | undefined;
  /** An IANA time zone. */
  readonly zone: string;
  /** Milliseconds since the epoch. */
  readonly after?: number | undefined;
  readonly before?: number | undefined;
}

const MINUTE_MS = 60_000;

const ofDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: "expected a time of day such as 09:30" })
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));

const moment = z
  .string()
  .refine((text) => /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) && Number.isFinite(Date.parse(text)), {
    error: "expected a moment with its offset such as 2026-03-01T00:00:00Z",
  })
  .transform((text) => Date.parse(text));

/** The word `time` of a rule. */
export const timeWord = z
  .strictObject({
    from: ofDay.optional().describe("From this time of the day."),
    to: ofDay.optional().describe("Until this time of the day; before from where it goes over midnight."),
    days: z.array(z.enum(DAYS)).min(1).optional().describe("Only on these days, as they are in the zone."),
    zone: z
      .string()
      .refine(isZone, { error: "expected a time zone such as Europe/Berlin" })
      .default("UTC")
      .describe("The time zone of from, to and days."),
    after: moment.optional().describe("From this moment on."),
    before: moment.optional().describe("Until this moment."),
  })
  .describe("When the rule holds.");

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is now within the window. The zone's time is worked out once a minute. */
export function openWindow(window: TimeWindow, clock: Clock): () => boolean {
  const { zone, after = Number.NEGATIVE_INFINITY, before = Number.POSITIVE_INFINITY } = window;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  let minute = Number.NaN;
  let within = false;
  return () => {
    const now = clock.wall();
    if (now < after || now >= before) return false;
    const thisMinute = Math.floor(now / MINUTE_MS);
    if (thisMinute !== minute) {
      minute = thisMinute;
      within = fits(window, format, now);
    }
    return within;
  };
}

function fits({ from, to, days }: TimeWindow, format: Intl.DateTimeFormat, now: number): boolean {
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  const at = Number(parts.get("hour")) * 60 + Number(parts.get("minute"));
  const day = parts.get("weekday")?.toLowerCase();
  if (days !== undefined && !days.some((one) => one === day)) return false;
  const [begin, end] = [from ?? 0, to ?? 24 * 60];
  return begin < end ? at >= begin && at < end : at >= begin || at < end;
}

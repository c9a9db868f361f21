import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../../core/units.ts";

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["1.5s", 1_500],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    [" 30 s ", 30_000],
    ["0", 0],
    ["0s", 0],
  ])("reads %j as %d milliseconds", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["", "5", "s", "-5s", "5S", "5 sec", "1e3s", "5s5s", "toString", "1constructor", "9007199254740993d"])(
    "refuses %j",
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it("writes the largest unit that fits", () => {
    expect([0, 1, 999, 1_000, 1_500, 60_000, 5_400_000].map(formatDuration)).toEqual([
      "0ms",
      "1ms",
      "999ms",
      "1s",
      "1.5s",
      "1m",
      "1.5h",
    ]);
  });
});

describe("sizes", () => {
  it.each([
    ["256MiB", 268_435_456],
    ["64KB", 64_000],
    ["1.5KiB", 1_536],
    ["12B", 12],
    ["2GiB", 2_147_483_648],
    ["0", 0],
  ])("reads %j as %d bytes", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(["", "256", "MiB", "256mib", "-1B", "1 KiBs"])("refuses %j", (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });

  it("writes binary units", () => {
    expect([0, 1_023, 1_024, 268_435_456, 1_610_612_736].map(formatBytes)).toEqual([
      "0B",
      "1023B",
      "1KiB",
      "256MiB",
      "1.5GiB",
    ]);
  });
});

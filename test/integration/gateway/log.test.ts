// What the log holds back is said with its own time, in its order, and not lost with the process.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const MODULE = fileURLToPath(new URL("../../../gateway/log.ts", import.meta.url));

/** The lines that a process writes which has a `log` and does this. */
function linesOf(script: string): readonly Record<string, unknown>[] {
  const begin = `import { openLog } from ${JSON.stringify(MODULE)}; const log = openLog({ level: "info", pretty: false });`;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", `${begin}\n${script}`];
  const { stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 20_000 });
  expect(status, stderr).toBe(0);
  return stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("lines that are held back", () => {
  test("are written when the process exits, in their order and whatever their level", () => {
    const script = 'for (let n = 0; n < 70; n += 1) log[n % 2 ? "info" : "warn"]({ n }, "said"); process.exit(0);';
    const lines = linesOf(script);
    expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 70 }, (_, n) => n));
    expect(lines.map(({ level }) => level).slice(0, 2)).toEqual([40, 30]);
  });

  test("are written when nothing is left to do", () => {
    expect(linesOf('log.info({ n: 1 }, "said");').map(({ msg }) => msg)).toEqual(["said"]);
  });

  test("have the time at which they were said", () => {
    const script = `
      const before = Date.now();
      log.info({ before }, "first");
      const until = before + 60;
      while (Date.now() < until);
      log.info({ before: Date.now() }, "second");
      process.exit(0);`;
    const late = linesOf(script).map(({ time, before }) => Date.parse(String(time)) - Number(before));
    expect(late).toHaveLength(2);
    for (const ms of late) expect(ms).toBeLessThan(50);
  });

  test("were said at the level of their time", () => {
    const script = 'log.info({ n: 1 }, "said"); log.level = "warn"; log.info({ n: 2 }, "not said"); process.exit(0);';
    expect(linesOf(script).map(({ n }) => n)).toEqual([1]);
  });
});

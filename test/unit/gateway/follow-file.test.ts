import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { followFile } from "../../../gateway/follow-file.ts";
import type { FileChanges } from "../../../gateway/reload.ts";
import { fakeEnv } from "../../support/fake-env.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-follow-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function follow(file: string) {
  const env = fakeEnv();
  const asked: string[] = [];
  let change = () => {};
  let hangUp = () => {};
  let watching = true;
  const changes = {
    file: async (text: string, { again, note }: { again: boolean; note: { who: string } }) => {
      asked.push(`${note.who} ${again} ${text}`);
      return undefined;
    },
  } as unknown as FileChanges;
  const stop = followFile({
    file,
    changes,
    onHangup(callback) {
      hangUp = callback;
      return () => {
        hangUp = () => {};
      };
    },
    clock: env.clock,
    log: env.log,
    watch: (_folder, { changed }) => {
      change = changed;
      return async () => {
        watching = false;
      };
    },
  });
  return { env, asked, stop, change: () => change(), hangUp: () => hangUp(), isWatching: () => watching };
}

test("steps of one change are one look, when nothing has happened for a while", async () => {
  const file = join(folder, "a.yaml");
  const { env, asked, change, stop } = follow(file);
  change();
  env.clock.advance(60);
  writeFileSync(file, "half");
  change();
  env.clock.advance(60);
  writeFileSync(file, "whole");
  change();
  env.clock.advance(99);
  expect(asked).toEqual([]);
  env.clock.advance(1);
  await vi.waitFor(() => expect(asked).toEqual(["file false whole"]));
  await stop();
});

test("a hangup looks at once, and whatever the file said before", async () => {
  const { asked, hangUp, stop } = follow(new URL(import.meta.url).pathname);
  hangUp();
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  expect(asked[0]).toContain("SIGHUP true import");
  await stop();
});

test("a file that cannot be read is a warning, and the next change is looked at again", async () => {
  const { env, asked, change, stop } = follow(join(folder, "gone.yaml"));
  change();
  env.clock.advance(100);
  await vi.waitFor(() => expect(env.lines.map(({ level }) => level)).toEqual(["warn"]));
  expect(asked).toEqual([]);
  await stop();
});

test("after its end nothing is looked at or watched", async () => {
  const { env, asked, change, hangUp, stop, isWatching } = follow(join(folder, "a.yaml"));
  change();
  await stop();
  env.clock.advance(1000);
  hangUp();
  expect([asked, isWatching(), env.clock.pending]).toEqual([[], false, 0]);
});

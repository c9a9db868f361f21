// Puts the config file in force whenever it has changed, or when a SIGHUP asks for it.

import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type WatchFolder, watchEntries } from "../backends/onnx/watch.ts";
import type { Clock, Log } from "../core/env.ts";
import type { FileChanges } from "./reload.ts";

export interface FollowOptions {
  readonly file: string;
  /** Nobody follows where undefined. */
  readonly changes: FileChanges | undefined;
  /** Calls back on each SIGHUP; the answer stops that. */
  onHangup(callback: () => void): () => void;
  readonly clock: Clock;
  readonly log: Log;
  /** A seam: tests bring their own. */
  readonly watch?: WatchFolder;
}

/** An editor writes a file in several steps, or another in its place: what counts is what stands there after a pause. */
const PAUSE_MS = 100;

/** Until the answer is called. The folder is watched, because a file that is replaced is another one. */
export function followFile(options: FollowOptions): () => Promise<void> {
  const { file, changes, clock, log, watch = watchEntries } = options;
  if (changes === undefined) return async () => {};
  let stopPause = () => {};
  const look = async (how: { readonly again: boolean; readonly who: string }): Promise<void> => {
    try {
      const text = (await readFile(file)).toString();
      await changes.file(text, { again: how.again, note: { who: how.who, why: "" } });
    } catch (error) {
      log.warn({ err: error, file }, "the config file cannot be read; the config in force stays");
    }
  };
  const changed = () => {
    stopPause();
    stopPause = clock.after(PAUSE_MS, () => void look({ again: false, who: "file" }));
  };
  const stopWatching = watch(dirname(file), {
    changed,
    failed: (error) => log.warn({ err: error, file }, "the config file is not watched any longer"),
  });
  const stopSignal = options.onHangup(() => void look({ again: true, who: "SIGHUP" }));
  return async () => {
    stopPause();
    stopSignal();
    await stopWatching();
  };
}

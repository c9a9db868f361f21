// Says that something in the repository changed: chokidar's one door.

import { watch } from "chokidar";

/** Calls back on every change below the folder, until the answer is called. A seam: tests bring their own. */
export type WatchFolder = (
  root: string,
  events: { readonly changed: () => void; readonly failed: (error: unknown) => void },
) => () => Promise<void>;

/** Watches what stands in a folder itself, hidden entries too, which a Kubernetes volume swaps behind its files. */
export const watchEntries: WatchFolder = (root, { changed, failed }) => {
  const watcher = watch(root, { ignoreInitial: true, depth: 0 });
  watcher.on("all", changed);
  watcher.on("ready", changed);
  watcher.on("error", failed);
  return () => watcher.close();
};

/** Watches a model repository: model folders, their versions, the files in those. Hidden files are not looked at. */
export const watchFolder: WatchFolder = (root, { changed, failed }) => {
  const watcher = watch(root, {
    ignoreInitial: true,
    depth: 3,
    ignored: (path) => /(^|[\\/])\.[^\\/]+$/.test(path.slice(root.length)),
  });
  watcher.on("all", changed);
  // a change between the scan that came before and the watch that begins now would be missed
  watcher.on("ready", changed);
  watcher.on("error", failed);
  return () => watcher.close();
};

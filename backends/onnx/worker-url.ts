// Where the worker's file is, in the repo and in the packed package.

import { extname } from "node:path";

/**
 * The URL of the worker's module. It follows this file's own extension, `.ts` in the repo and `.js` in the package: the
 * compiler rewrites the paths of imports, but not those in URLs.
 */
export function workerUrl(): URL {
  return new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
}

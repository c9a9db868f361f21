// Finds the package's own folder, which holds its data files: the same from the sources and from the compiled copy in dist.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE_NAME = "sluice-gateway";

/**
 * The folder of the package that the module belongs to, as an absolute path.
 *
 * @param moduleUrl the caller's `import.meta.url`
 * @throws Error when no folder above holds the package.json of sluice-gateway: the installation is broken
 */
export function packageRoot(moduleUrl: string): string {
  const start = dirname(fileURLToPath(moduleUrl));
  let folder = start;
  while (packageName(folder) !== PACKAGE_NAME) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`expected the package.json of ${PACKAGE_NAME} above ${start}, found none`);
    folder = parent;
  }
  return folder;
}

function packageName(folder: string): unknown {
  let text: string;
  try {
    text = readFileSync(join(folder, "package.json"), "utf8");
  } catch {
    return undefined; // most folders have none
  }
  return (JSON.parse(text) as { readonly name?: unknown }).name;
}

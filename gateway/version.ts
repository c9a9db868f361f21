// The name and version that the gateway gives of itself, read once from its own package.json.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerMetadata } from "../core/protocol.ts";
import { packageRoot } from "./package-root.ts";

export function serverMetadata(): ServerMetadata {
  const text = readFileSync(join(packageRoot(import.meta.url), "package.json"), "utf8");
  return { name: "sluice", version: (JSON.parse(text) as { readonly version: string }).version };
}

// What the package offers to code: read a config, serve it.

export type { Config, Kinds } from "../config/config.ts";
// biome-ignore lint/performance/noBarrelFile: the package's one entry
export { type Loaded, loadConfig } from "../config/load.ts";
export { formatMistake, type Mistake } from "../config/mistakes.ts";
export { InferError } from "../core/error.ts";
export { kinds } from "./kinds.ts";
export { type Running, type ServeOptions, serve } from "./main.ts";

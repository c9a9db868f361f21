// Finds the config that a command works with, and reads it.

import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { type Loaded, loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import { kinds } from "../kinds.ts";
import { packageRoot } from "../package-root.ts";
import { CliError, type Io, readBytes } from "./io.ts";

/** The variable that names a config where no option does. */
export const CONFIG_VARIABLE = "SLUICE_CONFIG";

/** A config that was read, right or wrong. */
export interface ReadConfig {
  /** The file as messages name it: from the folder of the command. */
  readonly shown: string;
  readonly loaded: Loaded;
  /** The file itself. */
  readonly file: string;
  readonly text: string;
}

/** A config that was read and is right. */
export interface RightConfig extends Pick<ReadConfig, "file" | "text"> {
  readonly config: Config;
}

/** Where the packaged config lies: the demo models, on this machine only. */
export function packagedConfig(): string {
  return join(packageRoot(import.meta.url), "config", "sluice.yaml");
}

/** The config file: the one named, else that of $SLUICE_CONFIG, else ./sluice.yaml, else the packaged one. */
export function findConfig(io: Io, named: string | undefined): string {
  if (named !== undefined) return resolve(io.cwd, named);
  const variable = io.env[CONFIG_VARIABLE];
  if (variable !== undefined && variable !== "") return resolve(io.cwd, variable);
  const here = join(io.cwd, "sluice.yaml");
  return existsSync(here) ? here : packagedConfig();
}

/** @throws CliError when the file cannot be read; what is wrong in it is in the answer */
export async function readConfig(io: Io, named: string | undefined): Promise<ReadConfig> {
  const file = findConfig(io, named);
  const bytes = await readBytes(io, file);
  const inside = relative(io.cwd, file);
  const shown = inside.startsWith("..") ? file : inside;
  const text = Buffer.from(bytes).toString();
  return { shown, file, text, loaded: loadConfig({ text, file, env: io.env }, kinds) };
}

/** @throws CliError with every mistake, one a line */
export async function requireConfig(io: Io, named: string | undefined): Promise<RightConfig> {
  const { shown, loaded, file, text } = await readConfig(io, named);
  if (!loaded.ok) throw new CliError(loaded.mistakes.map((mistake) => formatMistake(mistake, shown)).join("\n"));
  for (const warning of loaded.warnings) io.err(`sluice: ${warning} (${shown})\n`);
  return { config: loaded.config, file, text };
}

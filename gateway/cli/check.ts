// `sluice check`: says whether a config is right, and either all its mistakes or what it would serve.

import type { Config, Runs } from "../../config/config.ts";
import { formatMistake } from "../../config/mistakes.ts";
import { formatAddress } from "../../config/words.ts";
import { readConfig } from "./config-file.ts";
import { EXIT, type Io } from "./io.ts";
import { paintFor } from "./paint.ts";

export interface CheckOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** 0 for a config that is right, 1 for one that is not. Opens nothing. */
export async function runCheck(io: Io, options: CheckOptions): Promise<number> {
  const { shown, loaded } = await readConfig(io, options.config);
  if (options.json === true) {
    const result = loaded.ok
      ? { ok: true, file: shown, warnings: loaded.warnings, serves: summary(loaded.config) }
      : { ok: false, file: shown, mistakes: loaded.mistakes };
    io.out(`${JSON.stringify(result, null, 2)}\n`);
    return loaded.ok ? EXIT.ok : EXIT.failed;
  }
  if (!loaded.ok) {
    for (const mistake of loaded.mistakes) io.out(`${formatMistake(mistake, shown)}\n`);
    const { length } = loaded.mistakes;
    io.err(`sluice: ${length} ${length === 1 ? "mistake" : "mistakes"} in ${shown}\n`);
    return EXIT.failed;
  }
  const paint = paintFor(io);
  io.out(`${paint.green("ok")} ${shown}\n`);
  for (const line of describe(loaded.config)) io.out(`  ${line}\n`);
  for (const warning of loaded.warnings) io.out(`${paint.yellow("warning")} ${warning} (${shown})\n`);
  return EXIT.ok;
}

function describe(config: Config): readonly string[] {
  const { listen, backends, models } = summary(config);
  return [
    ...Object.entries(listen).map(([name, address]) => `listens on ${address} (${name})`),
    ...backends.map(({ name, kind }) => `backend ${name}: ${kind}`),
    ...(models?.map((model) => {
      if (!("versions" in model)) return `model ${model.name}: ${place(model, model.name)}`;
      const versions = Object.entries(model.versions).map(([version, targets]) => {
        return `${version} ${targets.map((target) => place(target, model.name)).join(" and ")}`;
      });
      return `model ${model.name}: version ${versions.join(", version ")}`;
    }) ?? [`every model of ${backends.map(({ name }) => name).join(", ")}, under its own name`]),
  ];
}

function summary({ listen, backends, models }: Config) {
  return {
    listen: Object.fromEntries(Object.entries(listen).map(([name, address]) => [name, formatAddress(address)])),
    backends: backends.map(({ name, kind }) => ({ name, kind: kind.kind })),
    models: models?.map(({ name, runs }) => summaryOfModel(name, runs)) ?? null,
  };
}

interface Placed {
  readonly backend: string;
  readonly model: string;
  readonly version?: string;
}

function place({ backend, model, version }: Placed, name: string): string {
  const there = [...(model === name ? [] : [model]), ...(version === undefined ? [] : [`version ${version}`])];
  return `${there.map((word) => `${word} `).join("")}on ${backend}`;
}

function summaryOfModel(name: string, runs: Runs) {
  if (runs.by === "backend") return { name, ...placed(runs.target) };
  const versions = [...runs.versions].map(([version, targets]) => [version, targets.map(placed)] as const);
  return { name, versions: Object.fromEntries(versions) };
}

function placed({ backend, model, version }: Placed): Placed {
  return { backend, model, ...(version === undefined ? {} : { version }) };
}

// `sluice demo`: a gateway of its own on free ports, real requests over HTTP, and what came of them.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { deepFreeze } from "../../config/config.ts";
import { systemClock } from "../env.ts";
import { type Running, serve } from "../main.ts";
import { packageRoot } from "../package-root.ts";
import { openClient } from "./client.ts";
import { packagedConfig, requireConfig } from "./config-file.ts";
import { badInputs, digits, flowers, languages, type Scene } from "./demo-scenes.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { paintFor } from "./paint.ts";
import { urlOf } from "./serve.ts";

/** 0 when every request was answered as the demo expects. */
export async function runDemo(io: Io): Promise<number> {
  const started = systemClock.now();
  const paint = paintFor(io);
  // the environment may name another config; the demo is about the models that ship with the package
  const { config } = await requireConfig(io, packagedConfig());
  const free = { host: "127.0.0.1", port: 0 };
  io.out(paint.dim("Starting a gateway with the demo models on free ports ...\n"));
  const running = await serve({ config: deepFreeze({ ...config, listen: { http: free, admin: free } }) });
  const forget = io.onSignal(() => void running.stop({ drainDelayMs: 0 }).then(() => io.exit(EXIT.failed)));
  try {
    await running.settled();
    await play(io, running);
  } finally {
    await running.stop({ drainDelayMs: 0 });
    forget();
  }
  const seconds = ((systemClock.now() - started) / 1000).toFixed(1);
  io.out(
    `\n${paint.bold("Done")} in ${seconds} s; the gateway has stopped. ${paint.cyan("npx sluice serve")} starts one that stays.\n`,
  );
  return EXIT.ok;
}

async function play(io: Io, running: Running): Promise<void> {
  const { http, admin } = running.addresses;
  if (http === undefined || admin === undefined) throw new CliError("expected both listeners of the demo to be open");
  const scene: Scene = {
    client: openClient(urlOf(http)),
    paint: paintFor(io),
    say: (text) => io.out(`${text}\n`),
    sample: (path) => readFile(join(packageRoot(import.meta.url), "models", path), "utf8"),
  };
  const models = await scene.client.models();
  scene.say(
    `It serves ${models.map(({ name }) => name).join(", ")} at ${scene.client.url}, over the Open Inference Protocol.`,
  );
  await digits(scene);
  await flowers(scene);
  await languages(scene);
  await badInputs(scene);
  await counted(scene, urlOf(admin));
}

async function counted({ paint, say }: Scene, admin: string): Promise<void> {
  const { body } = await openClient(admin).ask({ path: "/metrics" });
  const lines = Buffer.from(body).toString().split("\n");
  say(`\n${paint.bold("5. All of it was counted")}  ${paint.dim(`${admin}/metrics`)}`);
  const shown = lines.filter((line) => line.startsWith("sluice_requests_total{"));
  if (shown.length === 0) throw new CliError(`expected sluice_requests_total at ${admin}/metrics, got none`);
  for (const line of shown) say(`  ${line}`);
}

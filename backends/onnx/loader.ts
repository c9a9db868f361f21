// Turns a version's files into a session in the workers, warmed up, its signature and hash known.

import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { formatBytes } from "../../core/units.ts";
import { type Artifact, openArtifact } from "./artifact.ts";
import { declare, undeclared } from "./declared.ts";
import { type Inspected, isUnchanged } from "./inspect.ts";
import type { Memory } from "./memory.ts";
import { type OnnxOptions, sessionOptionsOf } from "./options.ts";
import type { Pool, PoolSpec } from "./pool.ts";
import type { FoundModel } from "./repository.ts";
import { signatureOf } from "./signature.ts";
import { readWarmUp, type WarmUp } from "./warm-up.ts";

export interface LoaderParts {
  /** The repository's real path. */
  readonly root: string;
  readonly options: OnnxOptions;
  /** How many the pool has. */
  readonly workers: number;
  readonly pool: Pool;
  readonly memory: Memory;
  readonly env: Env;
}

/** A version as the repository has it. */
export interface Loadable {
  readonly model: FoundModel;
  readonly version: string;
  readonly inspected: Inspected;
}

/** Lets go of an artifact once the runs that use it have ended. */
export async function letGo(artifact: Artifact, pool: Pool): Promise<void> {
  await artifact.unused();
  await pool.unload(artifact.session);
  artifact.free();
}

/**
 * Loads the version into its workers, beside whatever they have.
 *
 * @param session a name that was not used before
 * @throws InferError with the reason; retryable `later` when a worker was lost through no fault that is known to be the model's
 */
export async function loadArtifact(loadable: Loadable, session: string, parts: LoaderParts): Promise<Artifact> {
  const { model, inspected } = loadable;
  const { env, pool, root } = parts;
  if (model.mistake !== undefined) throw new InferError("unavailable", model.mistake);
  const { content, bytes, files } = inspected;
  if (!content.ok) throw content.error;
  const name = `${model.name} version ${loadable.version}`;
  const workers = workersOf(model, parts.workers);
  const free = parts.memory.reserve(name, { workers, bytes });
  const began = env.clock.now();
  try {
    const warmUp = await readWarmUp({ settings: model.settings, folder: model.folder, root });
    const hashing = pool.hash(files);
    hashing.catch(() => {});
    const facts = await pool.load({
      session,
      path: files[0] ?? "",
      weights: inspected.weights,
      options: sessionOptionsOf(parts.options, model.settings),
      workers,
      bytes,
      unchanged: () => isUnchanged(inspected),
      warmUp: (said) => warmUp.orders(signatureOf(said, content.graph), { session, model: model.name }),
      warmUpFailed: judgeWarmUp(name, warmUp, env),
    });
    const hash = await hashing;
    const memory = `${workers} x ${formatBytes(bytes)} = ${formatBytes(workers * bytes)}`;
    env.log.info({ model: name, memory, tookMs: Math.round(env.clock.now() - began) }, "model loaded");
    const own = signatureOf(facts, content.graph);
    const signature = model.declared === undefined ? undeclared(own) : declare(own, model.declared);
    for (const said of model.declared?.config.ignored ?? []) env.log.warn({ model: name }, `config.pbtxt: ${said}`);
    if (signature.batch !== undefined) {
      const said = "config.pbtxt: dynamic_batching: requests are joined, unless the gateway's config says batch";
      env.log.info({ model: name, batch: signature.batch }, said);
    }
    return openArtifact({ session, signature, hash, free });
  } catch (error) {
    await pool.unload(session);
    free();
    throw error;
  }
}

// what was made up may not suit the model, and says so once; what was declared must work
function judgeWarmUp(name: string, warmUp: WarmUp, env: Env): PoolSpec["warmUpFailed"] {
  let said = false;
  return (error) => {
    const reason = asInferError(error).message;
    if (warmUp.declared) throw new InferError("unavailable", `warm-up: ${reason}`);
    if (!said) env.log.warn({ model: name, reason }, "a warm-up with zeros failed; config.yaml can name real inputs");
    said = true;
  };
}

// instances of a config.pbtxt are those of another server's machine: here there are as many as there are workers
function workersOf({ settings, declared }: FoundModel, most: number): number {
  const { workers = most } = settings;
  if (workers <= most) return workers;
  if (declared?.config.settings.workers === workers) return most;
  throw new InferError("unavailable", `config.yaml: workers: expected at most the backend's ${most}, got ${workers}`);
}

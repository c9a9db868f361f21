// The gate before one endpoint: a model that has become ready there gets work once it has answered as it should.

import { openCall } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import { formatDuration } from "../../core/units.ts";
import type { Connection } from "../connection.ts";
import { differenceOf } from "./difference.ts";
import { openErrands } from "./errands.ts";
import { deviationOf } from "./warm-compare.ts";
import type { Recorded } from "./warm-record.ts";
import type { WarmUpWords } from "./warm-words.ts";

export interface WarmGateOptions {
  readonly backend: string;
  /** The endpoint's id. */
  readonly endpoint: string;
  readonly env: Env;
  readonly words: WarmUpWords;
  readonly connection: Pick<Connection, "infer" | "metadata">;
  /** What it is to answer of a model: from the file, and what others have answered. */
  recorded(model: string): readonly Recorded[];
  /** What is known of the model's signature from any endpoint. */
  signature(model: string, signal: AbortSignal): Promise<ModelMetadata>;
}

export interface WarmGate {
  /** Whether the model may get work here. */
  isOpen(model: string): boolean;
  /** The models have become ready here: nothing of them is known to be warm. */
  close(models: readonly string[]): void;
  /** The endpoint is no longer in use. */
  end(): void;
}

/** How long one answer of a warm-up may take: the first one loads what was not loaded. */
const ANSWER_MS = 60_000;
/** Rounds until every answer must be as quick as it was; the first ones find caches cold and code not compiled. */
const ROUNDS = 5;
/** An answer this quick is quick enough, whatever was recorded. */
const QUICK_MS = 5;
/** The pause after a warm-up that failed; it doubles up to the longest. */
const PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/** A gate that begins open: before the first time that a model is ready here it gets no work anyway. */
export function openWarmGate(options: WarmGateOptions): WarmGate {
  const { backend, endpoint, env } = options;
  const cold = new Map<string, () => void>();
  const errands = openErrands();
  const life = new AbortController();
  const attempt = (model: string, pauseMs: number) => {
    errands.add(model, async () => {
      const retry = cold.get(model);
      if (retry === undefined) return;
      const why = await whyCold(options, model, life.signal);
      // it was closed anew meanwhile, and stands in line again
      if (life.signal.aborted || cold.get(model) !== retry) return;
      env.emit({ type: "warm-up", backend, endpoint, model, result: why === undefined ? "warm" : "failed" });
      if (why === undefined) {
        cold.delete(model);
        return;
      }
      env.log.warn({ backend, endpoint, model, reason: why }, "endpoint gets no work: its warm-up failed");
      const stop = env.clock.after(pauseMs, () => attempt(model, Math.min(2 * pauseMs, LONGEST_PAUSE_MS)));
      cold.set(model, stop);
    });
  };
  return {
    isOpen: (model) => !cold.has(model),
    close(models) {
      for (const model of models) {
        cold.get(model)?.();
        cold.set(model, () => {});
        attempt(model, PAUSE_MS);
      }
    },
    end() {
      errands.close();
      life.abort(new InferError("cancelled", "the endpoint is closed"));
      for (const stop of cold.values()) stop();
      cold.clear();
    },
  };
}

/** Why the model should get no work here yet; undefined where it should. */
async function whyCold(options: WarmGateOptions, model: string, signal: AbortSignal): Promise<string | undefined> {
  const { connection, recorded, signature } = options;
  try {
    const told = await toldHere(connection, model, signal);
    const differs = told === undefined ? undefined : differenceOf(await signature(model, signal), told);
    if (differs !== undefined) return `its signature is another one: ${differs}`;
    const asks = recorded(model);
    let why: string | undefined;
    for (let round = 0; round < ROUNDS; round += 1) {
      why = await roundOf(options, asks, signal);
      if (why === undefined || !why.startsWith(SLOW)) return why;
    }
    return why;
  } catch (error) {
    return asInferError(error).message;
  }
}

async function toldHere(
  connection: WarmGateOptions["connection"],
  model: string,
  signal: AbortSignal,
): Promise<ModelMetadata | undefined> {
  try {
    return await connection.metadata({ name: model }, signal);
  } catch (error) {
    // a kind of server that tells no signatures
    if (asInferError(error).code === "unsupported") return undefined;
    throw error;
  }
}

const SLOW = "an answer took ";

async function roundOf(
  { env, words, connection }: WarmGateOptions,
  asks: readonly Recorded[],
  signal: AbortSignal,
): Promise<string | undefined> {
  let slow: string | undefined;
  for (const { request, answer } of asks) {
    const call = openCall({
      id: "warm-up",
      traceparent: "",
      clock: env.clock,
      protocol: "warm-up",
      purpose: "warm-up",
      timeoutMs: ANSWER_MS,
      signal,
    });
    try {
      const startedAt = env.clock.now();
      const reply = await connection.infer(request, call);
      const tookMs = env.clock.now() - startedAt;
      if (reply.kind === "stream") return "it answered with a stream what was no stream";
      if (answer === undefined) continue;
      const deviation = deviationOf(answer.outputs, reply.outputs, words);
      if (deviation !== undefined) return `it answers otherwise than was recorded: ${deviation}`;
      const mostMs = Math.max(QUICK_MS, words.slower * answer.ranMs);
      if (tookMs > mostMs)
        slow = `${SLOW}${formatDuration(Math.round(tookMs))}, at most ${formatDuration(Math.round(mostMs))} was expected`;
    } finally {
      call.end();
    }
  }
  return slow;
}

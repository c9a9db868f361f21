// A model on trial: its first rows that come together are answered alone, and run together beside that to compare.

import { detach } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferResponse, Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import type { Member } from "./member.ts";
import { mergeRequests } from "./merge.ts";
import { differenceOf } from "./proof.ts";
import { type Batch, type Ran, type Send, SMALL_BYTES } from "./send.ts";
import { splitReply } from "./split.ts";

/** What is known of the model's rows. */
export type Verdict = "unknown" | "independent" | "dependent";

export interface Trial {
  /** The verdict on the model that this is; another file under the same version is another model, and not judged yet. */
  verdict(metadata: ModelMetadata): Verdict;
  /** The most rows that may be joined now. */
  cap(): number;
  readonly send: Send;
}

export interface TrialOptions {
  readonly model: string;
  readonly version: string;
  readonly env: Env;
  readonly run: RunSliced;
  readonly next: Service;
  readonly send: Send;
  /** Whether the model must be tried at all. */
  readonly wanted: boolean;
}

/** The run beside the answers may take this long. */
const PROBE_MS = 30_000;

export function openTrial(options: TrialOptions): Trial {
  const { env, model, version } = options;
  let verdict: Verdict = options.wanted ? "unknown" : "independent";
  let trying = false;
  // what the verdict is about, where that can be known
  let judged: string | undefined;

  const judge = async (batch: Batch, ran: (ran: Ran) => void): Promise<void> => {
    // each is answered as if there were no batching
    const answers = new Map<Member, Reply>();
    for (const member of batch.members) member.call.loan.keep();
    for (const member of batch.members) {
      await options.send({ ...batch, members: [member] }, ran);
      const reply = await member.answer.catch(() => undefined);
      if (reply !== undefined) answers.set(member, reply);
    }
    const found = await compare(answers, options, batch);
    if (found === undefined) return;
    judged = batch.metadata.artifact;
    verdict = found === "equal" ? "independent" : "dependent";
    if (verdict === "independent") env.log.info({ model, version }, "rows alone and together have equal answers");
    else env.log.warn({ model, version, difference: found }, "rows depend on each other: the model is not batched");
  };

  return {
    verdict({ artifact }) {
      if (options.wanted && !trying && verdict !== "unknown" && artifact !== judged) verdict = "unknown";
      return verdict;
    },
    cap: () => (verdict === "independent" || !(trying || verdict === "dependent") ? Number.POSITIVE_INFINITY : 1),
    send(batch, ran) {
      if (verdict !== "unknown" || trying || batch.members.length < 2) return options.send(batch, ran);
      trying = true;
      return judge(batch, ran).finally(() => {
        trying = false;
      });
    },
  };
}

/** `equal`, a sentence on what differs, or undefined when it could not be found out. */
async function compare(
  answers: ReadonlyMap<Member, Reply>,
  options: TrialOptions,
  batch: Batch,
): Promise<string | undefined> {
  const members = [...answers.keys()];
  const [first] = members;
  if (first === undefined || members.length < 2) return undefined;
  const call = detach(first.call, { timeoutMs: PROBE_MS, purpose: "probe" });
  try {
    const small = members.reduce((sum, { bytes }) => sum + bytes, 0) < SMALL_BYTES;
    const work = { small, signal: call.signal };
    const request = await options.run(mergeRequests(members.map((member) => member.request)), work);
    const reply = await options.next(request, call);
    const counts = members.map((member) => member.rows);
    const rows = counts.reduce((sum, count) => sum + count, 0);
    const together = await options.run(splitReply(reply, { rows, counts, request, signature: batch.metadata }), work);
    for (const [i, member] of members.entries()) {
      const difference = differenceOf(answers.get(member) as InferResponse, together[i] as InferResponse);
      if (difference !== undefined) return difference;
    }
    return "equal";
  } catch (error) {
    const fault = asInferError(error);
    // an answer that cannot be taken apart says as much as one that differs
    return fault.message.startsWith("the answer to a batch") ? fault.message : undefined;
  } finally {
    call.end();
  }
}

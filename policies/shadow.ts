// shadow: a copy of a share of the requests to another branch, compared with the caller's answer, of which it costs nothing.

import { z } from "zod";
import { type Call, detach, unlessAborted } from "../core/call.ts";
import { wholeRequest } from "../core/deferred.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { RouteContext, RouteKind } from "../core/policy.ts";
import type { InferRequest, InferResponse } from "../core/request.ts";
import { type Branch, branchName } from "../core/route.ts";
import type { Service } from "../core/service.ts";
import type { Tensor } from "../core/tensor.ts";
import { bytes, duration } from "../core/words.ts";
import { compareOutputs, type Difference } from "./shadow/compare.ts";
import { type CompareOptions, compareWord } from "./shadow/compare-words.ts";
import { openFindings } from "./shadow/findings.ts";
import { share } from "./words.ts";

export interface ShadowOptions {
  readonly of: Branch;
  readonly to: Branch;
  readonly share: number;
  readonly noise: number;
  readonly maxInFlight: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly compare: CompareOptions;
  readonly keep: { readonly cases: number; readonly maxBytes: number };
}

const keep = z
  .strictObject({
    cases: z.int().min(0).max(1000).default(20).describe("How many of the worst cases are kept."),
    maxBytes: bytes().prefault("4MiB").describe("Of the inputs of all of them."),
  })
  .prefault({})
  .describe("How many of the worst cases are kept, with copies of their inputs.");

export const shadow: RouteKind<ShadowOptions> = {
  place: "route",
  word: "shadow",
  options: (branch) =>
    z
      .strictObject({
        of: branch,
        to: branch,
        share: share("The share of the requests that are copied.").prefault("100%"),
        noise: share(
          "The share of the copied ones that are asked twice of the version that answered, to know how far it is from itself.",
        ).prefault("10%"),
        maxInFlight: z
          .int()
          .min(1)
          .max(10_000)
          .default(16)
          .describe("Copies at once; beyond it requests are not copied."),
        maxBytes: bytes()
          .prefault("64MiB")
          .describe("Inputs and answers of all copies at once; beyond it requests are not copied."),
        timeout: duration().prefault("10s").describe("How long a copy may take."),
        compare: compareWord.prefault({}),
        keep,
      })
      .transform(({ timeout, ...rest }): ShadowOptions => ({ ...rest, timeoutMs: timeout }))
      .describe(
        "The branch `of` answers; a share of the requests goes to the branch `to` as well, and the answers are compared.",
      ),
  branches: ({ of, to }) => [
    { path: ["of"], it: of },
    { path: ["to"], it: to },
  ],
  build: (options, context) => openShadow(options, context),
};

function openShadow(options: ShadowOptions, context: RouteContext): Service {
  const answering = context.open(options.of);
  const mirror = openMirror(options, context);
  const said = `${options.share * 100}% copied to ${branchName(options.to)}`;
  return async (request, call) => {
    call.trace.decide("shadow", said);
    const reply = await answering(request, call);
    if (call.purpose === "user" && context.env.random() < options.share) {
      const answer = reply.kind === "whole" ? reply : undefined;
      // now: they may be used again as soon as the answer is out, and may have to be decoded first
      call.loan.keep();
      // a kept answer may have been given before the bytes of its question were decoded
      const whole = wholeRequest(request);
      if (!(whole instanceof Promise)) mirror(whole, call, answer);
      else
        whole.then(
          (decoded) => mirror(decoded, call, answer),
          () => {},
        );
    }
    return reply;
  };
}

/** What one copy is made of. */
interface Copy {
  readonly request: InferRequest;
  readonly call: Call;
  readonly answer: InferResponse;
}

type Mirror = (request: InferRequest, call: Call, answer: InferResponse | undefined) => void;

/** Copies a request once its answer is known; returns at once and never throws. */
function openMirror(options: ShadowOptions, context: RouteContext): Mirror {
  const { env, model } = context;
  const name = `${model}/${branchName(options.to)}`;
  const findings = openFindings(options.keep);
  const copied = context.open(options.to);
  let inFlight = 0;
  let heldBytes = 0;
  context.report(() => ({ policy: "shadow", name, facts: { inFlight, ...(findings.facts() as object) } }));
  const emit = (result: Parameters<typeof findings.count>[0] | ReturnType<typeof findings.compared>) =>
    env.emit({ type: "shadow", model, shadow: name, result });
  const leave = (result: "failed" | "skipped", why: string) => {
    findings.count(result, why);
    emit(result);
  };
  const ask = (service: Service, { request, call }: Copy) => askDetached(service, { request, call }, options.timeoutMs);
  const compare = (answer: InferResponse, other: InferResponse) =>
    runCompare({ answer, other, compare: options.compare, context });
  const runOne = async (copy: Copy): Promise<void> => {
    const { request, call, answer } = copy;
    try {
      const other = await ask(copied, copy);
      if (other.model.version === answer.model.version) {
        // the branch led to the version that answered: this tells only how far it is from itself
        findings.noise(await compare(answer, other));
        return leave("skipped", "same-version");
      }
      const about = {
        id: call.id,
        at: env.clock.wall(),
        version: answer.model.version,
        shadowVersion: other.model.version,
      };
      emit(findings.compared(await compare(answer, other), about, request));
    } catch (error) {
      leave("failed", asInferError(error).code);
    }
    if (env.random() >= options.noise) return;
    try {
      findings.noise(await compare(answer, await ask(context.version(answer.model.version), copy)));
    } catch {
      // how far a version is from itself cannot be told while it does not answer: the next double call will
    }
  };
  return (request, call, answer) => {
    if (answer === undefined) return leave("skipped", "stream");
    if (call.sequence !== undefined) return leave("skipped", "sequence");
    if (inFlight >= options.maxInFlight) return leave("skipped", "in-flight");
    const size = bytesOf(request.inputs) + bytesOf(answer.outputs);
    if (heldBytes + size > options.maxBytes) return leave("skipped", "bytes");
    inFlight += 1;
    heldBytes += size;
    // later, so that the caller's answer leaves before the copy is made
    env.clock.after(0, () => {
      void runOne({ request, call, answer }).finally(() => {
        inFlight -= 1;
        heldBytes -= size;
      });
    });
  };
}

function bytesOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** Asks on a call of its own: the caller's end does not reach it, nor its own the caller. */
async function askDetached(
  service: Service,
  { request, call }: Pick<Copy, "request" | "call">,
  timeoutMs: number,
): Promise<InferResponse> {
  const own = detach(call, { timeoutMs, purpose: "shadow" });
  try {
    const reply = await unlessAborted(service({ ...request, stream: false }, own), own.signal);
    if (reply.kind === "whole") return reply;
    await reply.parts[Symbol.asyncIterator]().return?.();
    throw new InferError("unsupported", "a stream is not compared");
  } finally {
    own.end();
  }
}

interface Comparing {
  readonly answer: InferResponse;
  readonly other: InferResponse;
  readonly compare: CompareOptions;
  readonly context: RouteContext;
}

/** Below this the comparison takes well under a millisecond. */
const SMALL_BYTES = 64 * 1024;
const NEVER = new AbortController().signal;

async function runCompare({ answer, other, compare, context }: Comparing): Promise<readonly Difference[]> {
  const small = bytesOf(answer.outputs) <= SMALL_BYTES;
  return context.run(compareOutputs(answer.outputs, other.outputs, compare), { small, signal: NEVER });
}

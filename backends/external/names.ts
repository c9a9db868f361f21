// Holds the outputs that an answer names to the model's signature.

import type { BackendModel } from "../../core/backend.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import type { Signature } from "../../core/model.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { Naming } from "../connection.ts";

/** A signature as it is known now. */
export interface KnownSignature extends Pick<Signature, "outputs"> {
  /** A server told it; else the config declares it, which may leave outputs out. */
  readonly isTold: boolean;
}

export interface NamesOptions {
  readonly env: Pick<Env, "clock">;
  /** The model's signature where it is known, without asking anybody. */
  known(model: BackendModel): KnownSignature | undefined;
  /** Asks the server that answered. */
  ask(model: BackendModel): Promise<Pick<Signature, "outputs">>;
  /** It has another signature than the one that was known. */
  renewed(model: string): void;
}

/** The names of one server's answers. */
export interface Names {
  /**
   * The reply, whose outputs are named as the signature has them; one whose signature is not known passes. Where they
   * differ, the model may be another by now: then the server that answered tells.
   *
   * @throws InferError bad-backend for an answer with other outputs than the model has
   */
  hold(request: InferRequest, reply: Reply, naming: Naming): Reply | Promise<Reply>;
}

/** How long what the server told is believed, so that a server with wrong answers is not asked at the rate of the traffic. */
const TOLD_MS = 1000;
/** Models whose servers were asked of late; more are begun anew. */
const MOST_TOLD = 256;

/** What a server told of a model, and until when it is believed. */
interface Telling {
  readonly untilMs: number;
  readonly told: Promise<Told>;
  isRenewed: boolean;
}

export function openNames(options: NamesOptions): Names {
  const { env } = options;
  const tellings = new Map<string, Telling>();
  const askOnce = (model: BackendModel): Telling => {
    const key = JSON.stringify([model.name, model.version]);
    const last = tellings.get(key);
    if (last !== undefined && env.clock.now() < last.untilMs) return last;
    const told = options.ask(model).catch((error: unknown) => void asInferError(error));
    const telling = { untilMs: env.clock.now() + TOLD_MS, told, isRenewed: false };
    if (tellings.size >= MOST_TOLD) tellings.clear();
    tellings.set(key, telling);
    return telling;
  };
  const doubt = async (response: InferResponse, { model, said, naming }: Doubt) => {
    const telling = askOnce(model);
    const told = await telling.told;
    if (told === undefined || misnamed(response, told, naming) !== undefined) {
      throw new InferError("bad-backend", `the backend's answer: ${said}`);
    }
    // another server may still have the signature that is known, as while one after the other is replaced
    if (!telling.isRenewed) options.renewed(model.name);
    telling.isRenewed = true;
    return response;
  };
  return {
    hold(request, reply, naming) {
      const model = modelOf(request);
      if (model === undefined) return reply;
      const check = (response: InferResponse): InferResponse | Promise<InferResponse> => {
        const known = options.known(model);
        if (known === undefined) return response;
        const trusted = known.isTold ? naming : "some";
        const said = misnamed(response, known, trusted);
        return said === undefined ? response : doubt(response, { model, said, naming });
      };
      return reply.kind === "whole" ? check(reply) : { kind: "stream", parts: held(reply.parts, check) };
    },
  };
}

interface Doubt {
  readonly model: BackendModel;
  /** What is wrong with the names. */
  readonly said: string;
  readonly naming: Naming;
}

type Told = Pick<Signature, "outputs"> | undefined;

/** The model whose signature counts; undefined where outputs were chosen, or have names of another origin. */
function modelOf({ model, task, signature, outputs }: InferRequest): BackendModel | undefined {
  if (task !== "infer" || signature !== undefined || (outputs !== undefined && outputs.length > 0)) return undefined;
  const { name, select } = model;
  if (select.by === "label") return undefined;
  return select.by === "version" ? { name, version: select.version } : { name };
}

async function* held(
  parts: AsyncIterable<InferResponse>,
  check: (part: InferResponse) => InferResponse | Promise<InferResponse>,
): AsyncGenerator<InferResponse> {
  // a part of a stream may have some of the outputs, or none
  for await (const part of parts) yield part.outputs.length === 0 ? part : check(part);
}

/** What is wrong with the names; undefined where nothing is, or the signature has none. */
function misnamed(response: InferResponse, signature: Pick<Signature, "outputs">, naming: Naming): string | undefined {
  const declared = signature.outputs;
  if (declared.length === 0) return undefined;
  const isDeclared = (name: string) => declared.some((output) => output.name === name);
  const other = response.outputs.find(({ name }) => !isDeclared(name));
  if (other !== undefined && (naming !== "some" || !response.outputs.some(({ name }) => isDeclared(name)))) {
    return `output "${other.name.slice(0, 80)}", which the model does not have`;
  }
  if (naming !== "all") return undefined;
  const missing = declared.find(({ name }) => !response.outputs.some((output) => output.name === name));
  return missing === undefined ? undefined : `expected output "${missing.name}", got none`;
}

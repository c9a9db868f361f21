// What one server's models are and do: signatures from its kind's own connection, behaviour from asking them.

import type { Backend, Endpoint } from "../../core/backend.ts";
import { openCall } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import type { ModelMetadata, ModelStatus } from "../../core/model.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { type Trial, tryModel } from "./trial.ts";

/** What is known of one model. */
export interface ProbedModel {
  readonly name: string;
  /** Every version with its state; none for a model that the server does not have. */
  readonly versions: readonly Omit<ModelStatus, "name">[];
  readonly signature?: ModelMetadata;
  /** Why there is no signature. */
  readonly untold?: string;
  /** Absent where the model was not asked; `untried` says why. */
  readonly trial?: Trial;
  readonly untried?: string;
}

/** Models without a name on the command line that are looked at, and of these that are asked. */
const MOST_LISTED = 64;
const MOST_TRIED = 8;
/** How long one question to a model may take. */
const ANSWER_MS = 10_000;

export interface ModelsWanted {
  /** All that the server lists when empty. */
  readonly models: readonly string[];
  /** Whether they are asked with made-up inputs. */
  readonly run: boolean;
  readonly env: Env;
}

/** Looks at the models one after the other, so that a server in use does not feel it. */
export async function readModels(
  backend: Backend,
  { models: wanted, run, env }: ModelsWanted,
): Promise<readonly ProbedModel[]> {
  const statuses = backend.catalog.list();
  const listed = [...new Set(statuses.map(({ name }) => name))];
  const names = wanted.length > 0 ? wanted : listed.slice(0, MOST_LISTED);
  const isFew = wanted.length > 0 || names.length <= MOST_TRIED;
  const models: ProbedModel[] = [];
  for (const name of names) {
    const versions = statuses.filter((one) => one.name === name).map(({ name: _, ...status }) => status);
    const untried = run ? (isFew ? undefined : "not named with --model") : "not asked for";
    models.push(await readModel({ backend, env, name, versions, untried }));
  }
  return models;
}

interface Reading {
  readonly backend: Backend;
  readonly env: Env;
  readonly name: string;
  readonly versions: ProbedModel["versions"];
  readonly untried: string | undefined;
}

async function readModel({ backend, env, name, versions, untried }: Reading): Promise<ProbedModel> {
  const told = { name, versions };
  if (versions.length === 0) return { ...told, untold: "the server does not have it", untried: "it is not there" };
  if (!versions.some(({ state }) => state === "ready"))
    return { ...told, untold: "it is not ready", untried: "it is not ready" };
  try {
    const signature = await backend.metadata({ name }, new AbortController().signal);
    const why = untried ?? whyNot(signature);
    if (why !== undefined) return { ...told, signature, untried: why };
    const [endpoint] = backend.endpoints.list();
    if (endpoint === undefined) return { ...told, signature, untried: "the server has gone" };
    const trial = await tryModel(runOnce(endpoint, name, env), signature, env.clock);
    return { ...told, signature, trial };
  } catch (error) {
    return { ...told, untold: asInferError(error).message, untried: "its signature is not known" };
  }
}

function whyNot({ decoupled, stateful }: ModelMetadata): string | undefined {
  if (stateful) return "it keeps state";
  return decoupled === true ? "it answers in streams" : undefined;
}

function runOnce(endpoint: Endpoint, name: string, env: Env) {
  return async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
    const id = "probe";
    const call = openCall({
      id,
      traceparent: "",
      clock: env.clock,
      protocol: id,
      purpose: "probe",
      timeoutMs: ANSWER_MS,
    });
    const request = {
      model: { name, select: { by: "default" } },
      task: "infer",
      inputs,
      parameters: NO_PARAMETERS,
      stream: false,
    } as const;
    try {
      const reply = await endpoint.infer(request, call);
      if (reply.kind === "whole") return reply.outputs;
      for await (const part of reply.parts) return part.outputs;
      return [];
    } finally {
      call.end();
    }
  };
}

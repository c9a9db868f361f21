// Reads the answer to an inference of the Open Inference Protocol over HTTP, and holds it to what was asked.

import { InferError, invalid } from "../../core/error.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { decodeResponse, type OipResponse, parseHeaderLength } from "../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../wire/oip-json.ts";
import type { HttpAnswer } from "../connection.ts";
import { errorInside } from "./http-faults.ts";
import type { OipHttpLink } from "./http-link.ts";

/** Bytes of JSON, or of texts behind it, that are read at once. */
const SMALL_BYTES = 32 * 1024;

/** An answer whose status says success. */
export interface Answered {
  readonly answer: HttpAnswer;
  /** What the request was sent under. */
  readonly id: string;
  readonly signal: AbortSignal;
}

/**
 * Reads it; blobs stay views of its body.
 *
 * @throws InferError bad-backend for whatever is no answer to the request
 */
export async function readInferAnswer(
  link: OipHttpLink,
  request: InferRequest,
  answered: Answered,
): Promise<InferResponse> {
  const { quirks } = link;
  const response = await decode(link, answered);
  link.ids.check(answered.id, response.id);
  const outputs = quirks.obeysOutputs
    ? asAsked(request, response.outputs)
    : await amongAll(link, request, { outputs: response.outputs, signal: answered.signal });
  const { name, select } = request.model;
  const version = response.modelVersion || (select.by === "version" ? select.version : "1");
  return {
    kind: "whole",
    model: { name, version },
    outputs: quirks.ownParameters ? outputs.map(({ parameters: _, ...output }) => output) : outputs,
    parameters: quirks.ownParameters ? NO_PARAMETERS : response.parameters,
  };
}

async function decode({ door, quirks, heads }: OipHttpLink, { answer, id, signal }: Answered): Promise<OipResponse> {
  const { body, headers } = answer;
  const headerLength = jsonLength(headers.get("inference-header-content-length"), body.byteLength);
  const options = {
    limits,
    halves: quirks.json.halves === true,
    answers: { memory: heads, id },
    ...(headerLength === undefined ? {} : { headerLength }),
  };
  const small = body.byteLength <= SMALL_BYTES;
  try {
    return await door.run(decodeResponse(body, options), { small, signal });
  } catch (error) {
    if (error instanceof InferError && error.code === "bad-backend") throw errorInside(body) ?? error;
    throw error;
  }
}

function jsonLength(header: string | undefined, bodyLength: number): number | undefined {
  try {
    const length = parseHeaderLength(header, bodyLength);
    if (length !== "raw") return length;
  } catch (cause) {
    throw wrong(`header Inference-Header-Content-Length does not fit a body of ${bodyLength} bytes`, cause);
  }
  throw wrong("header Inference-Header-Content-Length: expected at least 1, got 0");
}

// Of a server that gives what is asked for and nothing else.
function asAsked(request: InferRequest, outputs: readonly Tensor[]): readonly Tensor[] {
  const { found, missing } = inOrder(request, outputs);
  if (missing !== undefined) throw wrong(`expected output "${missing}", got ${namesOf(outputs)}`);
  if (outputs.length === found.length) return found;
  const others = outputs.filter((output) => !found.includes(output));
  throw wrong(`expected only the outputs that were asked for, got ${namesOf(others)} too`);
}

interface All {
  readonly outputs: readonly Tensor[];
  readonly signal: AbortSignal;
}

// Of a server that leaves it to its models, which mostly give all they have: what is not among it, and not in the
// signature either, is the caller's mistake.
async function amongAll(link: OipHttpLink, request: InferRequest, all: All): Promise<readonly Tensor[]> {
  const { outputs, signal } = all;
  const { found, missing } = inOrder(request, outputs);
  if (missing === undefined) return found;
  const { name, select } = request.model;
  const model = select.by === "version" ? { name, version: select.version } : { name };
  const signature = await link.door.signature(model, signal).catch(() => undefined);
  if (signature?.outputs.some((output) => output.name === missing)) {
    throw wrong(`expected output "${missing}", got ${namesOf(outputs)}`);
  }
  throw invalid(`output "${missing}": expected one of ${namesOf(outputs)}`);
}

/** The outputs in the order asked, or the first name that is not among them. */
function inOrder(request: InferRequest, outputs: readonly Tensor[]) {
  if (outputs.length === 0) throw wrong("expected outputs, got none");
  const asked = request.outputs ?? [];
  if (asked.length === 0) return { found: outputs, missing: undefined };
  const byName = new Map(outputs.map((output) => [output.name, output]));
  return {
    found: asked.flatMap(({ name }) => byName.get(name) ?? []),
    missing: asked.find(({ name }) => !byName.has(name))?.name,
  };
}

function namesOf(outputs: readonly Tensor[]): string {
  return outputs.map(({ name }) => `"${name.slice(0, 80)}"`).join(", ");
}

function wrong(said: string, cause?: unknown): InferError {
  return new InferError("bad-backend", `the backend's answer: ${said}`, cause === undefined ? {} : { cause });
}

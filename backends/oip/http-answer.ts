// Reads the answer to an inference of the Open Inference Protocol over HTTP, and holds it to what was asked.

import { InferError } from "../../core/error.ts";
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
  const outputs = inOrder(request, response.outputs, quirks.obeysOutputs);
  const { name, select } = request.model;
  const version = response.modelVersion || (select.by === "version" ? select.version : "1");
  return {
    kind: "whole",
    model: { name, version },
    outputs: quirks.ownParameters ? outputs.map(({ parameters: _, ...output }) => output) : outputs,
    parameters: quirks.ownParameters ? NO_PARAMETERS : response.parameters,
  };
}

async function decode({ door, quirks }: OipHttpLink, { answer, signal }: Answered): Promise<OipResponse> {
  const { body, headers } = answer;
  const headerLength = jsonLength(headers.get("inference-header-content-length"), body.byteLength);
  const options = { limits, halves: quirks.jsonHalves, ...(headerLength === undefined ? {} : { headerLength }) };
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

/** The outputs in the order asked; a server that leaves the choice to its models may give more than was asked for. */
function inOrder(request: InferRequest, outputs: readonly Tensor[], isStrict: boolean): readonly Tensor[] {
  if (outputs.length === 0) throw wrong("expected outputs, got none");
  const asked = request.outputs ?? [];
  if (asked.length === 0) return outputs;
  const byName = new Map(outputs.map((output) => [output.name, output]));
  const ordered = asked.map(({ name }) => {
    const output = byName.get(name);
    if (output === undefined) throw wrong(`expected output "${name}", got ${namesOf(outputs)}`);
    return output;
  });
  if (isStrict && outputs.length > asked.length) {
    const names = new Set(asked.map(({ name }) => name));
    throw wrong(`expected only what was asked for, got ${namesOf(outputs.filter(({ name }) => !names.has(name)))} too`);
  }
  return ordered;
}

function namesOf(outputs: readonly Tensor[]): string {
  return outputs.map(({ name }) => `"${name.slice(0, 80)}"`).join(", ");
}

function wrong(said: string, cause?: unknown): InferError {
  return new InferError("bad-backend", `the backend's answer: ${said}`, cause === undefined ? {} : { cause });
}

// What `debug: true` adds to errors: which server was asked, and all that it said.

import { checkDebug } from "../config/check.ts";
import type { Config } from "../config/config.ts";
import type { Call } from "../core/call.ts";
import { asInferError, InferError, restated } from "../core/error.ts";
import type { DataPlane } from "../core/protocol.ts";
import type { InferResponse } from "../core/request.ts";

/** Characters that are added to a message at most: over gRPC it goes in a header. */
const MAX_TOLD = 1500;
/** Causes that are followed at most. */
const MAX_CAUSES = 5;

/**
 * The same plane, whose errors end in `[debug: endpoint NAME; CAUSE; ...]`, whichever protocol tells them. For callers on the
 * same machine only: it names addresses, and shows stack traces where servers send them.
 */
export function toldWhole(plane: DataPlane): DataPlane {
  return {
    ...plane,
    async infer(request, call) {
      try {
        const reply = await plane.infer(request, call);
        return reply.kind === "whole" ? reply : { kind: "stream", parts: partsTold(reply.parts, call) };
      } catch (error) {
        throw whole(error, call);
      }
    },
    signature: (model, signal) =>
      plane.signature(model, signal).catch((error: unknown) => {
        throw whole(error, undefined);
      }),
  };
}

async function* partsTold(parts: AsyncIterable<InferResponse>, call: Call): AsyncGenerator<InferResponse> {
  try {
    yield* parts;
  } catch (error) {
    throw whole(error, call);
  }
}

/**
 * The addresses in force may be others than those of the file: the command line and the start say them.
 *
 * @throws InferError invalid-argument for `debug` where others than this machine may ask
 */
export function refuseOpenDebug(words: Pick<Config, "listen" | "debug">): void {
  const [fault] = checkDebug(words);
  if (fault !== undefined) throw new InferError("invalid-argument", `${fault.path.join(".")}: ${fault.message}`);
}

/** The fault as it was where nothing stands behind it. */
function whole(error: unknown, call: Call | undefined): InferError {
  const fault = asInferError(error);
  const endpoint = call?.trace.facts.endpoint;
  const causes = causesOf(fault);
  // what the caller did wrong was found here: no server had a part in it
  if (causes.length === 0 && (endpoint === undefined || fault.origin === "client")) return fault;
  const told = [...(endpoint === undefined ? [] : [`endpoint ${endpoint}`]), ...causes].join("; ");
  return restated(fault, { message: `${fault.message} [debug: ${told.slice(0, MAX_TOLD)}]` });
}

function causesOf(fault: InferError): readonly string[] {
  const texts: string[] = [];
  let { cause } = fault;
  while (cause !== undefined && texts.length < MAX_CAUSES) {
    texts.push(cause instanceof Error ? cause.message : String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return texts;
}

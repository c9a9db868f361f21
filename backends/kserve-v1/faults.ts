// What the statuses of a model server of KServe's V1 protocol mean.

import type { InferError } from "../../core/error.ts";
import { decodeError } from "../../wire/oip-metadata.ts";
import type { HttpAnswer } from "../connection.ts";
import { type FaultTable, statusFault, USUAL_FAULTS } from "../http/faults.ts";

/**
 * Sources: protocols.md 5 and 16.7. A 500 is whatever the model raised (`KeyError : 'instances'`): its cause may lie in
 * the data, so another try is of no use.
 */
const FAULTS: FaultTable = {
  404: { code: "not-found" },
  // pydantic and the router of FastAPI
  422: { code: "invalid-argument" },
  405: { code: "bad-backend", retryable: "no", message: "the backend does not take this question: it is no V1 server" },
  429: { code: "overloaded", origin: "backend", retryable: "elsewhere" },
  500: { code: "bad-backend", retryable: "no", tells: true },
  501: { code: "unsupported", origin: "backend", tells: true },
  503: { code: "unavailable", tells: true },
};

/** A path that the server does not have at all: the backend is configured for something else. */
const NO_SUCH_PATH: FaultTable = {
  404: { code: "bad-backend", retryable: "no", message: "the backend does not have this path: it is no V1 server" },
};

/** What an answer that is no success means. */
export function kserveFault(answer: HttpAnswer): InferError {
  const isRouters = answer.status === 404 && decodeError(answer.body) === undefined;
  return statusFault(answer, isRouters ? [NO_SUCH_PATH, FAULTS, USUAL_FAULTS] : [FAULTS, USUAL_FAULTS]);
}

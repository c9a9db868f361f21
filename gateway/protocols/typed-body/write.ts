// Answers in the form that a caller asked for, or in that of its request; a payload as the backend gave it.

import { InferError } from "../../../core/error.ts";
import type { InferResponse } from "../../../core/request.ts";
import { CSV_TYPE, encodeCsv } from "../../../wire/csv.ts";
import { encodeJsonLines, JSON_LINES_TYPE } from "../../../wire/json-lines.ts";
import { encodeResponse as encodeV1, JSON_TYPE } from "../../../wire/kserve-v1.ts";
import { encodeNpy, NPY_TYPE } from "../../../wire/npy.ts";
import { contentTypeOf, mediaType, payloadOf } from "../../../wire/opaque.ts";
import type { Sliced } from "../../../wire/sliced.ts";
import { encodeResponse, type TypedBody } from "../../../wire/torchserve.ts";
import type { BodyForm } from "../typed-body.ts";

/** How an answer is written. */
export interface Writing {
  readonly form: BodyForm;
  /** Rows in JSON: under `predictions`, as SageMaker's containers have them, or alone, as TorchServe's handlers do. */
  readonly rows: "predictions" | "alone";
}

/**
 * The body of an answer. An only output that is a payload goes as it is, whatever the form.
 *
 * @throws InferError unsupported for outputs that the form cannot carry, naming it
 */
export function* writeTypedBody(response: InferResponse, { form, rows }: Writing): Sliced<TypedBody> {
  const { outputs } = response;
  const [only, second] = outputs;
  const type = only === undefined || second !== undefined ? undefined : contentTypeOf(only);
  if (only !== undefined && type !== undefined) return { parts: [payloadOf(only)], contentType: type };
  switch (form) {
    case "csv":
      return { parts: yield* encodeCsv(outputs), contentType: CSV_TYPE };
    case "json-lines": {
      const shape = outputs.length === 1 ? "bare" : "named";
      return { parts: yield* encodeJsonLines(outputs, shape), contentType: JSON_LINES_TYPE };
    }
    case "npy":
      if (only === undefined || second !== undefined) {
        throw new InferError(
          "unsupported",
          `a NumPy array carries one output, and there are ${outputs.length}: ask for JSON`,
        );
      }
      return { parts: encodeNpy(only), contentType: NPY_TYPE };
    case "json-instances":
      if (rows === "alone") return yield* encodeResponse(response, { format: form });
      return { parts: yield* encodeV1(outputs, { odd: "token" }), contentType: JSON_TYPE };
    case "json":
    case "kserve-v2":
      return yield* encodeResponse(response, { format: form });
    default:
      return form satisfies never;
  }
}

/** The form that a caller's Accept asks for; the one of its request where it takes anything or says nothing. */
export function acceptedForm(accept: string | undefined, asked: BodyForm): BodyForm {
  const offers = (accept ?? "").split(",").map((offer) => mediaType(offer));
  if (offers.every((offer) => offer === "" || offer === "*/*")) return asked;
  const isTree = asked === "json-instances" || asked === "json" || asked === "kserve-v2";
  for (const offer of offers) {
    if (offer === "*/*") return asked;
    if (offer === JSON_TYPE || offer === "application/*") return isTree ? asked : "json-instances";
    if (offer === CSV_TYPE || offer === "text/*") return "csv";
    if (offer === JSON_LINES_TYPE || offer === "application/x-ndjson") return "json-lines";
    if (offer === NPY_TYPE) return "npy";
  }
  throw new InferError(
    "unsupported",
    `Accept: expected ${[JSON_TYPE, CSV_TYPE, JSON_LINES_TYPE, NPY_TYPE].join(", ")} or */*, got "${accept}"`,
  );
}

// The order of the outputs in a row of a table, which has no names: the model's own, whichever server answers.

import type { Call } from "../../../core/call.ts";
import type { Planes } from "../../../core/protocol.ts";
import type { InferResponse } from "../../../core/request.ts";
import type { BodyForm } from "../typed-body.ts";

/** The answer with its outputs as the model declares them where the form is a table; as it came where nobody can tell. */
export async function inOrder(
  response: InferResponse,
  form: BodyForm,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<InferResponse> {
  if (form !== "csv" || response.outputs.length < 2) return response;
  const names = await declaredNames(response, { call, planes });
  const placeOf = (name: string) => (names.includes(name) ? names.indexOf(name) : names.length);
  return { ...response, outputs: response.outputs.toSorted((a, b) => placeOf(a.name) - placeOf(b.name)) };
}

async function declaredNames(
  { model }: InferResponse,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<readonly string[]> {
  try {
    const ref = { name: model.name, select: { by: "version", version: model.version } } as const;
    return (await planes.data.signature(ref, call.signal)).outputs.map(({ name }) => name);
  } catch {
    return [];
  }
}

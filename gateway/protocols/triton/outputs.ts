// What Triton's extensions do with a reply's outputs before they are written: classes in place of values, shared memory in place of the message.

import type { Call } from "../../../core/call.ts";
import type { RegionPart } from "../../../core/operator.ts";
import type { Planes } from "../../../core/protocol.ts";
import type { InferResponse } from "../../../core/request.ts";
import type { Sliced } from "../../../core/run.ts";
import { regionsOf } from "./allowed.ts";
import { type Classes, classifyAll } from "./classify.ts";

/** What a request wants of its outputs; nothing out of the ordinary where both are absent. */
export interface OutputWishes {
  readonly classes?: Classes | undefined;
  readonly regions?: ReadonlyMap<string, RegionPart> | undefined;
}

/** The reply as it is to be written, with the regions that now hold outputs and what they take there. */
export interface Finished {
  readonly reply: InferResponse;
  readonly regions: ReadonlyMap<string, RegionPart> | undefined;
}

/** @throws InferError invalid-argument for an output that does not fit into its region, unsupported where there are none */
export async function finishOutputs(
  reply: InferResponse,
  wishes: OutputWishes,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<Finished> {
  const { classes, regions } = wishes;
  if (classes === undefined && regions === undefined) return { reply, regions: undefined };
  return planes.run(finish(reply, wishes, planes), { small: false, signal: call.signal });
}

function* finish(reply: InferResponse, { classes, regions }: OutputWishes, planes: Planes): Sliced<Finished> {
  const outputs = classes === undefined ? reply.outputs : yield* classifyAll(reply.outputs, classes);
  const finished = { ...reply, outputs };
  if (regions === undefined) return { reply: finished, regions };
  const written = new Map<string, RegionPart>();
  for (const { name, data } of outputs) {
    const part = regions.get(name);
    if (part === undefined) continue;
    yield* regionsOf(planes).write(part, data);
    written.set(name, { ...part, bytes: data.byteLength });
  }
  return { reply: finished, regions: written };
}

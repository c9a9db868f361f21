// SageMaker's runtime API: invocations of endpoints, whole or as a stream of frames, signed where the config has keys.

import { InferError } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";
import { exchange } from "./exchange.ts";
import { fail } from "./sagemaker/fail.ts";
import { decode, encodeFrames, encodeWhole, NAME } from "./sagemaker/invoke.ts";
import { targetOf } from "./sagemaker/target.ts";
import { rememberedBy } from "./typed-body.ts";

const post = (path: string, summary: string, handle: Route["handle"]): Route => ({
  method: "POST",
  path,
  summary,
  handle,
});

export const sagemaker: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/endpoints"],
  fail,
  routes: [
    post("/endpoints/:endpoint/invocations", "InvokeEndpoint.", invoking({ stream: false, accept: "accept" })),
    // on this path Accept has a name of its own
    post(
      "/endpoints/:endpoint/invocations-response-stream",
      "InvokeEndpointWithResponseStream.",
      invoking({ stream: true, accept: "x-amzn-sagemaker-accept" }),
    ),
    post("/endpoints/:endpoint/async-invocations", "Refused: there is no S3 here.", async (wire, planes) =>
      numbered(wire, await guarded(wire, planes, refuseAsync)),
    ),
  ],
};

function invoking(how: { readonly stream: boolean; readonly accept: string }): Route["handle"] {
  return async (wire, planes) => {
    const reply = await guarded(wire, planes, (model) =>
      exchange(wire, planes, {
        protocol: NAME,
        model,
        ...rememberedBy(wire, [how.accept]),
        decode: (asked, at) => decode({ model, ...how }, asked, at),
        encode: how.stream ? encodeFrames : encodeWhole,
        fail,
      }),
    );
    return numbered(wire, reply);
  };
}

/** Who asks comes before what is asked: a stranger learns no names. */
async function guarded(
  wire: WireRequest,
  planes: Planes,
  answer: (model: ModelRef) => Promise<WireReply>,
): Promise<WireReply> {
  let model: ModelRef;
  try {
    await planes.sagemaker?.verify?.(wire);
    model = targetOf(wire, planes);
  } catch (error) {
    return fail(error);
  }
  return answer(model);
}

async function refuseAsync(): Promise<WireReply> {
  const text = "asynchronous inference keeps bodies in S3, which the gateway does not: ask the endpoint's invocations";
  return fail(new InferError("unsupported", text));
}

/** Every SDK shows this id with an error. */
function numbered({ id }: WireRequest, reply: WireReply): WireReply {
  return { ...reply, headers: { ...reply.headers, "x-amzn-requestid": id } };
}

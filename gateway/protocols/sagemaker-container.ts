// The contract of a SageMaker container: invocations of the one model, or of one among several; /ping and /models are TorchServe's.

import { invalid } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";
import { exchange } from "./exchange.ts";
import { encodeContainer } from "./sagemaker/container.ts";
import { decode } from "./sagemaker/invoke.ts";
import { targetModel, targetName } from "./sagemaker/target.ts";
import { fail, failOf } from "./torchserve/fail.ts";
import { rememberedBy } from "./typed-body.ts";

const NAME = "sagemaker-container";

const post = (path: string, summary: string, handle: Route["handle"]): Route => ({
  method: "POST",
  path,
  summary,
  handle,
});

export const sagemakerContainer: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/invocations", "/models"],
  // multi-model-server's errors are TorchServe's, which descends from it
  fail,
  routes: [
    post("/invocations", "An invocation of the container's model.", invocations),
    post("/models/:model/invoke", "An invocation of one of the container's models.", invokeOne),
  ],
};

async function invocations(wire: WireRequest, planes: Planes): Promise<WireReply> {
  try {
    return await invoke(modelOf(wire, planes), wire, planes);
  } catch (error) {
    return fail(error);
  }
}

function invokeOne(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return invoke({ name: wire.params.model ?? "", select: { by: "default" } }, wire, planes);
}

function invoke(model: ModelRef, wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, {
    protocol: NAME,
    model,
    ...rememberedBy(wire, ["accept"]),
    decode: (asked, at) => decode({ model, stream: "known", accept: "accept" }, asked, at),
    encode: encodeContainer,
    fail: failOf(model, planes),
  });
}

/** The model of the query, as TorchServe has it, of the target's header, of the config, or the only one there is. */
function modelOf(wire: WireRequest, planes: Planes): ModelRef {
  const target = targetName(wire);
  const named = wire.query.get("model_name") ?? (target === undefined ? undefined : targetModel(target, planes));
  const name = named ?? planes.sagemaker?.invocations ?? onlyModel(planes);
  return { name, select: { by: "default" } };
}

function onlyModel({ data }: Planes): string {
  const [only, second] = data.models();
  if (only !== undefined && second === undefined) return only;
  throw invalid(
    "which model is meant: expected ?model_name=, the header x-amzn-sagemaker-target-model or the config's word invocations",
  );
}

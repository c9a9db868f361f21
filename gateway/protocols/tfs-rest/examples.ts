// :classify and :regress of TensorFlow Serving's REST protocol: Examples in, classes or values out.

import type { Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { openPace } from "../../../wire/sliced.ts";
import { classesOf, examplesTensor, regressionsOf } from "../../../wire/tfs-examples.ts";
import {
  decodeExamplesRequest,
  encodeClassifyResponse,
  encodeRegressResponse,
} from "../../../wire/tfs-json-examples.ts";
import { collected } from "../collected.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";
import { STREAMS } from "../tfs/faults.ts";
import { signatureAsked } from "../tfs/signature.ts";
import { SMALL_BYTES } from "./predict.ts";
import { fail, jsonParts, modelOf, NAME } from "./replies.ts";

/** What the two differ in. */
interface Method {
  readonly task: "classify" | "regress";
  readonly write: (reply: InferResponse) => readonly Uint8Array[];
}

/** `POST /v1/models/{model}:classify`. */
export const classify = handlerOf({
  task: "classify",
  write: ({ outputs }) => encodeClassifyResponse(classesOf(outputs)),
});

/** `POST /v1/models/{model}:regress`. */
export const regress = handlerOf({
  task: "regress",
  write: ({ outputs }) => encodeRegressResponse(regressionsOf(outputs)),
});

function handlerOf(method: Method): Route["handle"] {
  return async (wire, planes): Promise<WireReply> => {
    let model: ModelRef;
    try {
      model = modelOf(wire, planes);
    } catch (error) {
      return fail(error);
    }
    return exchange(wire, planes, codecFor(method, model));
  };
}

function codecFor(method: Method, model: ModelRef): Codec<undefined> {
  return {
    protocol: NAME,
    model,
    fail: (error) => fail(error, model),
    decode: (wire, planes) => decode({ method, model }, wire, planes),
    async encode(reply: Reply, _form, at) {
      return jsonParts(200, method.write(await collected(reply, { ...at, instead: STREAMS })));
    },
  };
}

interface Asked {
  readonly method: Method;
  readonly model: ModelRef;
}

async function decode({ method, model }: Asked, wire: WireRequest, planes: Planes): Promise<Decoded<undefined>> {
  const body = wire.body as Uint8Array;
  const how = { small: body.byteLength <= SMALL_BYTES, signal: wire.signal };
  const { examples, signature } = await planes.run(decodeExamplesRequest(body, { limits: planes.limits }), how);
  const input = await planes.run(examplesTensor(examples, openPace({})), how);
  return {
    request: {
      model,
      task: method.task,
      inputs: [input],
      parameters: NO_PARAMETERS,
      stream: false,
      ...signatureAsked(signature),
    },
    hints: { sluice: NO_PARAMETERS },
    form: undefined,
  };
}

// The bridge between a logical model and the model on one backend: names, datatypes, a batch dimension, fixed inputs, chosen outputs.

import type { Bridge } from "../core/bridge.ts";
import type { ModelMetadata, Signature } from "../core/model.ts";
import type { Layer } from "../core/service.ts";

export function bridgeLayer(_bridge: Bridge): Layer {
  return (next) => next;
}

export function bridgeSignature(_bridge: Bridge, there: ModelMetadata): ModelMetadata {
  return there;
}

export function signatureThere(_bridge: Bridge, declared: Signature): Signature {
  return declared;
}

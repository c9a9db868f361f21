// The two words that carry everything: a Service answers a request, a Layer wraps a Service.

import type { Call } from "./call.ts";
import type { InferRequest, Reply } from "./request.ts";

/**
 * An asynchronous function from a request to a reply. A backend, a model's route and the gateway itself are Services.
 * It throws InferErrors only, honours `call.signal`, and says "I cannot take this now" by failing fast.
 */
export type Service = (request: InferRequest, call: Call) => Promise<Reply>;

/** Wraps a Service in one concern. */
export type Layer = (next: Service) => Service;

/** The layers around the service: `layers[0]` meets the request first. */
export function stack(layers: readonly Layer[], service: Service): Service {
  return layers.reduceRight((next, layer) => layer(next), service);
}

// Brings a server's JavaScript to the speed that it keeps: V8 goes on compiling for the first tens of thousands of requests.

import type { Effort } from "./figure.ts";
import { binaryBody, post } from "./http-bytes.ts";
import type { LoadFacts } from "./load.ts";
import { inputFor, models } from "./models.ts";
import type { Program } from "./programs.ts";

/** Requests slow by half in the first seconds of a gateway, and are level after about these (measured). */
const WARM_MS = 8000;

export interface Warming {
  readonly client: Program;
  /** Of a server that has the small model. */
  readonly port: number;
}

/** Sends the small model's requests for a while. Without it a large model, at tens of requests a second, runs cold code. */
export async function warmUp({ client, port }: Warming, effort: Effort): Promise<void> {
  const { small } = models;
  const body = binaryBody({ name: small.input, shape: [1, ...small.inputShape], values: inputFor(small, 1, 1) });
  const requests = [post(`/v2/models/${small.name}/infer`, body)];
  await client.ask<LoadFacts>("load", {
    port,
    requests,
    connections: 16,
    warmMs: 0,
    measureMs: WARM_MS * effort.scale,
  });
}

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

/** Rows of the requests: one packet's body, and one that comes in many pieces, each with code of its own. */
const ROWS = [1, 1024];

/** Sends the small model's requests for a while. Without it a large model, at tens of requests a second, runs cold code. */
export async function warmUp({ client, port }: Warming, effort: Effort): Promise<void> {
  const { small } = models;
  for (const rows of ROWS) {
    const body = binaryBody({
      name: small.input,
      shape: [rows, ...small.inputShape],
      values: inputFor(small, rows, 1),
    });
    const requests = [post(`/v2/models/${small.name}/infer`, body)];
    const load = { port, requests, connections: 16, warmMs: 0, measureMs: WARM_MS * effort.scale };
    await client.ask<LoadFacts>("load", load);
  }
}

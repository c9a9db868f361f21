// A Service and its handle: the test sees each request as it comes and answers it by hand.

import type { Call } from "../../core/call.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";

export interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
  reply(reply: Reply): void;
  fail(error: unknown): void;
}

export interface Handle {
  /** The next request, once it has come. */
  next(): Promise<Asked>;
  /** Requests that came and were not taken by next(). */
  readonly waiting: number;
}

export function scripted(): { readonly service: Service; readonly handle: Handle } {
  const asked: Asked[] = [];
  const takers: ((asked: Asked) => void)[] = [];
  const service: Service = (request, call) =>
    new Promise<Reply>((resolve, reject) => {
      const one: Asked = { request, call, reply: resolve, fail: reject };
      const taker = takers.shift();
      if (taker === undefined) asked.push(one);
      else taker(one);
    });
  return {
    service,
    handle: {
      next() {
        const one = asked.shift();
        return one === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(one);
      },
      get waiting() {
        return asked.length;
      },
    },
  };
}

export function requestFor(model: string, init: Partial<InferRequest> = {}): InferRequest {
  return {
    model: { name: model, select: { by: "default" } },
    task: "infer",
    inputs: [],
    parameters: NO_PARAMETERS,
    stream: false,
    ...init,
  };
}

export function wholeReply(model: string, version: string, init: Partial<InferResponse> = {}): InferResponse {
  return { kind: "whole", model: { name: model, version }, outputs: [], parameters: NO_PARAMETERS, ...init };
}

// A door to a server that listens: real clients, the usual limits, no words of a config.

import type { Door } from "../../backends/connection.ts";
import { openGrpcClient } from "../../backends/grpc-client.ts";
import { openHttpClient } from "../../backends/http-client.ts";
import { type OwnedCall, openCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import { systemClock, systemEnv } from "../../gateway/env.ts";
import { openLog } from "../../gateway/log.ts";
import { openSlicer } from "../../gateway/slicer.ts";

/** A door whose clients the test closes: a `Connection` closes its own. */
export function liveDoor(url: string): Door {
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
  return {
    backend: "b",
    endpoint: "b/server",
    url: new URL(url),
    env,
    run: openSlicer(systemClock),
    http: ({ url: other, pipelining } = {}) =>
      openHttpClient({
        url: other ?? new URL(url),
        connections: 8,
        timeouts: { connectMs: 2_000, headersMs: 30_000, bodyMs: 10_000 },
        maxAnswerBytes: 256 * 2 ** 20,
        ...(pipelining === undefined ? {} : { pipelining }),
      }),
    grpc: (options = {}) =>
      openGrpcClient({
        ...options,
        url: new URL(url),
        env,
        connectTimeoutMs: 2_000,
        maxMessageBytes: 256 * 2 ** 20,
      }),
    signature: () => Promise.reject(new InferError("unsupported", "no signature is declared")),
    headers: () => ({ traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }),
  };
}

/** A call on the system's clock. */
export function liveCall(init: Partial<Parameters<typeof openCall>[0]> = {}): OwnedCall {
  return openCall({ id: "caller-7", traceparent: "", clock: systemClock, protocol: "test", ...init });
}

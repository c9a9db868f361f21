// The door of a kind to a gRPC server: a real one on a port of this machine, or one that the test plays.

import type { Door, GrpcAsk, GrpcClient, GrpcDoor } from "../../backends/connection.ts";
import { openGrpcClient } from "../../backends/grpc-client.ts";
import { systemClock } from "../../gateway/env.ts";
import { runNow } from "../../wire/sliced.ts";
import { fakeEnv } from "./fake-env.ts";

const SHARED = { backend: "b", endpoint: "b/server:8001", url: new URL("http://server:8001") };

function door(env: Door["env"], grpc: (options?: GrpcDoor) => GrpcClient): Door {
  return {
    ...SHARED,
    env,
    grpc,
    run: (work) => runNow(work),
    http: () => {
      throw new Error("no HTTP here");
    },
    signature: () => Promise.reject(new Error("nobody asks for signatures here")),
    // as if the config let all of the caller's headers pass
    headers: (call) =>
      call === undefined ? {} : { ...Object.fromEntries(call.headers), traceparent: call.traceparent },
  };
}

/** A door to a real server, with the gateway's own client. */
export function realGrpcDoor(port: number): Door {
  const env = { ...fakeEnv(), clock: systemClock };
  return door(env, (options) =>
    openGrpcClient({
      ...options,
      url: new URL(`http://127.0.0.1:${port}`),
      env,
      connectTimeoutMs: 10_000,
      maxMessageBytes: 2 ** 31 - 1,
    }),
  );
}

/** What was asked of a played server. */
export interface GrpcAsked extends GrpcAsk {
  readonly message: Uint8Array;
}

/** How the server ends a call that it does not answer. */
export interface PlayedStatus {
  readonly code: number;
  readonly details: string;
}

/** The messages that answer, and the status behind them when it is not OK. */
export interface PlayedAnswer {
  readonly messages: readonly Uint8Array[];
  readonly status?: PlayedStatus;
}

export interface PlayedGrpcDoor extends Door {
  readonly asks: readonly GrpcAsked[];
  /** Exchanges that were cancelled before their messages had ended. */
  readonly cancelled: { readonly count: number };
}

/** A door to a server that the test plays, message by message. */
export function playedGrpcDoor(play: (asked: GrpcAsked) => PlayedAnswer): PlayedGrpcDoor {
  const asks: GrpcAsked[] = [];
  const cancelled = { count: 0 };
  const answer = (ask: GrpcAsk, message: Uint8Array) => {
    const asked = { ...ask, message };
    asks.push(asked);
    return play(asked);
  };
  const client = (options?: GrpcDoor): GrpcClient => {
    const fault = (status: PlayedStatus) =>
      options?.faultOf?.({ ...status, trailers: new Map() }) ?? new Error(`status ${status.code}: ${status.details}`);
    return {
      async unary(ask, message) {
        const { messages, status } = answer(ask, message);
        if (status !== undefined) throw fault(status);
        return messages[0] ?? new Uint8Array(0);
      },
      exchange(ask) {
        let said: PlayedAnswer | undefined;
        let ended = false;
        return {
          async send(message) {
            said = answer(ask, message);
          },
          half() {},
          cancel() {
            if (!ended) cancelled.count += 1;
            ended = true;
          },
          messages: (async function* () {
            yield* said?.messages ?? [];
            ended = true;
            if (said?.status !== undefined) throw fault(said.status);
          })(),
        };
      },
      close: async () => {},
    };
  };
  return { ...door(fakeEnv(), client), asks, cancelled };
}

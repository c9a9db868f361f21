// gRPC's health service: whether the server is ready, asked once or watched.

import { InferError } from "../../core/error.ts";
import type { Planes, Protocol, WireRequest } from "../../core/protocol.ts";
import { HEALTH_ANSWER, HEALTH_REQUEST, HEALTH_SERVICE } from "../../wire/grpc-health.ts";
import { DESCRIPTORS } from "./grpc-descriptors/health.ts";
import { grpcFail, grpcReply, messageOf, OK } from "./grpc-status.ts";

/** How often a watcher's state is looked at, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** Says whether the server serves the services of these protocols; the empty name stands for all of them. */
export function grpcHealth(served: readonly Protocol[]): Protocol {
  const services = new Set(served.filter(({ listener }) => listener === "grpc").flatMap(({ prefixes }) => prefixes));
  const knows = (service: string) => service === "" || services.has(`/${service}`);
  return {
    name: "grpc-health",
    listener: "grpc",
    prefixes: [`/${HEALTH_SERVICE}`],
    descriptors: DESCRIPTORS,
    fail: (error) => grpcFail(error),
    routes: [
      {
        method: "POST",
        path: `/${HEALTH_SERVICE}/Check`,
        async handle(wire, planes) {
          const { service } = HEALTH_REQUEST.decode(messageOf(wire));
          if (!knows(service)) return grpcFail(new InferError("not-found", `no such service: ${service}`));
          return grpcReply(HEALTH_ANSWER.encode({ status: statusOf(planes) }));
        },
      },
      {
        method: "POST",
        path: `/${HEALTH_SERVICE}/Watch`,
        async handle(wire, planes) {
          const { service } = HEALTH_REQUEST.decode(messageOf(wire));
          const status = () => (knows(service) ? statusOf(planes) : "SERVICE_UNKNOWN");
          return { status: OK, headers: {}, body: watch(wire, planes, status) };
        },
      },
    ],
  };
}

function statusOf(planes: Planes): string {
  return planes.data.serverReady() ? "SERVING" : "NOT_SERVING";
}

/** The state now, and every change of it until the watcher leaves or the listener stops, which is the last change. */
async function* watch(wire: WireRequest, planes: Planes, status: () => string): AsyncGenerator<Uint8Array> {
  let last = "";
  while (!wire.signal.aborted) {
    const stops = wire.draining?.aborted === true;
    const now = stops ? "NOT_SERVING" : status();
    if (now !== last) yield HEALTH_ANSWER.encode({ status: now });
    last = now;
    if (stops) return;
    await nextLook(wire, planes);
  }
}

function nextLook({ signal, draining }: WireRequest, planes: Planes): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal.removeEventListener("abort", done);
      draining?.removeEventListener("abort", done);
      resolve();
    };
    const stop = planes.env.clock.after(LOOK_EVERY_MS, done);
    if (signal.aborted || draining?.aborted) return done();
    signal.addEventListener("abort", done);
    draining?.addEventListener("abort", done);
  });
}

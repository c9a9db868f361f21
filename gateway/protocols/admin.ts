// The admin listener's routes: metrics for Prometheus, liveness and readiness for whoever runs the process.

import { asInferError } from "../../core/error.ts";
import type { Protocol, WireReply } from "../../core/protocol.ts";

export interface AdminParts {
  /** The metrics as text, with their content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Whether the config is applied, the listeners are open and no shutdown has begun; else why not. */
  readiness(): { readonly ready: boolean; readonly why: string };
}

/** Names no route a deployment must protect: what is here may be read by anyone who reaches the port. */
export function adminProtocol(parts: AdminParts): Protocol {
  return {
    name: "admin",
    listener: "http",
    prefixes: ["/metrics", "/livez", "/readyz"],
    fail: (error) => text(500, `${asInferError(error).message}\n`),
    routes: [
      {
        method: "GET",
        path: "/metrics",
        async handle() {
          const { contentType, text: body } = await parts.expose();
          return { status: 200, headers: { "content-type": contentType }, body: Buffer.from(body) };
        },
      },
      // answering at all is what liveness means here: a blocked loop answers nothing
      { method: "GET", path: "/livez", handle: async () => text(200, "ok\n") },
      {
        method: "GET",
        path: "/readyz",
        async handle() {
          const { ready, why } = parts.readiness();
          return text(ready ? 200 : 503, `${why}\n`);
        },
      },
    ],
  };
}

function text(status: number, body: string): WireReply {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: Buffer.from(body) };
}

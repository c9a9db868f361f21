// The words of paths that are not inference and go to a server as they come.

import { z } from "zod";
import { headerName } from "./words.ts";

const names = (what: string) => z.array(headerName()).default([]).describe(what);

/** What stands in the value of a header. Source: RFC 9110, 5.5. */
const headerValue = () => z.string().regex(/^[\x20-\x7e]*$/, "expected printable ASCII");

const request = z
  .strictObject({
    forward: names("Headers of the client that go on although they may tell who it is: authorization, cookie, ..."),
    set: z.record(z.string(), headerValue()).default({}).describe("Headers that the server gets from the gateway."),
  })
  .prefault({})
  .describe("Which headers the server gets; without more, those that say nothing about who asks.");

const response = z
  .strictObject({
    forward: names("Headers of the server that the client gets although they carry credentials: set-cookie, ..."),
    remove: names("Headers of the server that the client does not get."),
  })
  .prefault({})
  .describe("Which headers the client gets.");

const entry = z
  .strictObject({
    to: z
      .url({ protocol: /^https?$/, error: "expected a URL such as http://127.0.0.1:6006" })
      .optional()
      .describe("The server, and the path there that stands for the prefix."),
    backend: z.string().min(1).optional().describe("Instead: a backend, one of whose endpoints is asked."),
    port: z.int().min(1).max(65_535).optional().describe("The port on the backend's host, where it is another one."),
    path: z
      .string()
      .regex(/^(\/[\w.~%-]+)*\/?$/, "expected a path such as /metrics")
      .default("/")
      .describe("The path on the backend that stands for the prefix."),
    websocket: z.boolean().default(true).describe("Whether WebSockets are passed on, too."),
    request,
    response,
  })
  .superRefine(({ to, backend, port }, context) => {
    if ((to === undefined) === (backend === undefined)) {
      context.addIssue({ code: "custom", path: [], message: "expected either to: URL or backend: NAME" });
    }
    if (to !== undefined && port !== undefined) {
      context.addIssue({ code: "custom", path: ["port"], message: "expected the port in the URL" });
    }
  });

/** Prefixes of paths, each with the server behind it. */
export const passthroughWord = z
  .record(z.string().regex(/^(\/[\w.~-]+)+$/, "expected a prefix such as /tensorboard"), entry)
  .describe("Paths that are no inference and go to a server as they come, by prefix: its docs, TensorBoard ...");

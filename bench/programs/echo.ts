// A bare fastify handler that answers a body with the same bytes, or refuses it: what a server on this stack can do at best.

import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { answer } from "../program.ts";

const app = fastify({ logger: false });
app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/v2/models/:model/infer", async (request, reply) =>
  reply.header("content-type", "application/octet-stream").send(request.body),
);
app.post("/refused", async (_request, reply) => reply.code(503).send({ error: "overloaded" }));

answer({
  async start() {
    await app.listen({ host: "127.0.0.1", port: 0 });
    return undefined;
  },
  port: () => (app.server.address() as AddressInfo).port,
  async stop() {
    app.server.closeAllConnections();
    await app.close();
  },
});

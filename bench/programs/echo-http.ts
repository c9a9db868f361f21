// A bare node:http server that answers a body with the same bytes.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "../program.ts";

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": body.byteLength });
    response.end(body);
  });
});

answer({
  start: () => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)),
  port: () => (server.address() as AddressInfo).port,
  stop() {
    server.closeAllConnections();
    server.close();
  },
});

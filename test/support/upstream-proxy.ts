// A proxy for tests: CONNECT tunnels and absolute URLs, with a password where the test wants one.

import { request as ask, createServer } from "node:http";
import { connect, type Socket } from "node:net";

export interface TestProxy {
  readonly port: number;
  /** What it was asked for: `CONNECT host:port` or `GET http://..`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** @param credentials `user:password`, without which it answers 407 */
export async function testProxy(credentials?: string): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const wanted = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (wanted !== undefined && request.headers["proxy-authorization"] !== wanted) return response.writeHead(407).end();
    const { method, headers } = request;
    const onward = ask(request.url ?? "", { method: method ?? "GET", headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    return request.pipe(onward);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    socket.on("error", () => {});
    if (wanted !== undefined && request.headers["proxy-authorization"] !== wanted) {
      return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    const [host = "", port = ""] = (request.url ?? "").split(":");
    const onward = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    sockets.add(onward);
    return onward.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    asked,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

// Whole HTTP requests from a socket, for servers that do next to nothing with them.

import type { Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** Whole requests as they come, one at a time, with `GET /path` of each. */
export function takeRequests(socket: Socket, take: (bytes: Buffer, line: string) => void): void {
  let parts: Buffer[] = [];
  let have = 0;
  let need = 0;
  let line = "";
  socket.on("data", (chunk: Buffer) => {
    parts.push(chunk);
    have += chunk.byteLength;
    if (need === 0) {
      const start = parts.length === 1 ? chunk : Buffer.concat(parts);
      const end = start.indexOf(HEAD_END);
      if (end === -1) return;
      const head = start.toString("latin1", 0, end);
      line = head.slice(0, head.indexOf(" HTTP/"));
      need = end + HEAD_END.byteLength + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    }
    if (have < need) return;
    const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    parts = [];
    have = 0;
    need = 0;
    take(bytes, line);
  });
}

// The faults of a server of the Open Inference Protocol over HTTP, by name: what it does in place of answering.

import { body, type ChaosAsk, httpAnswer, type Spoil } from "./chaos-http.ts";
import { dropping } from "./chaos-proxy.ts";

/** Milliseconds between two bytes of a drip. */
const DRIP_MS = 2;

const resetAfter = ({ socket }: ChaosAsk, bytes: Buffer) => {
  socket.write(bytes, () => setImmediate(() => dropping(socket)()));
};

const rightBytes = ({ x, id }: ChaosAsk) => httpAnswer(body({ x, id }));

/** Says a length that is not the body's, and ends the connection behind it. */
const lengthOff = (by: number): Spoil => {
  return ({ x, id, socket }) => {
    const text = body({ x, id });
    socket.end(httpAnswer(text, 200, { "content-length": String(Buffer.byteLength(text) + by) }));
  };
};

const says = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Spoil => {
  return ({ socket }) => void socket.write(httpAnswer(text, status, headers));
};

/** Every fault that spoils one answer. */
export const HTTP_FAULTS = {
  "takes the request and hangs": () => {},
  "resets before any byte": ({ socket }) => void dropping(socket)(),
  "resets inside the headers": (ask) => resetAfter(ask, rightBytes(ask).subarray(0, 25)),
  "resets behind the headers": (ask) => {
    const bytes = rightBytes(ask);
    resetAfter(ask, bytes.subarray(0, bytes.indexOf("\r\n\r\n") + 4));
  },
  "closes behind half a body": (ask) => {
    const bytes = rightBytes(ask);
    const head = bytes.indexOf("\r\n\r\n") + 4;
    ask.socket.end(bytes.subarray(0, head + Math.floor((bytes.byteLength - head) / 2)));
  },
  "drips without an end": ({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    // white space before the JSON is no mistake
    const timer = setInterval(() => socket.write("1\r\n \r\n"), DRIP_MS);
    socket.once("close", () => clearInterval(timer));
  },
  "says a length beyond its body": lengthOff(10),
  "says a length short of its body": lengthOff(-10),
  "answers garbage": ({ socket, x }) => {
    socket.end(Buffer.from(Array.from({ length: 200 }, (_, i) => (x[0] ?? 0) * 31 + i * 97)));
  },
  "answers what is no JSON": says(200, "<html>ok</html>"),
  "answers 200 with an error inside": says(200, '{"error":"the model is broken"}'),
  "answers a shape that its values do not fit": ({ x, id, socket }) =>
    void socket.write(httpAnswer(body({ x, id, shape: [x.length + 1] }))),
  "answers another output": ({ x, id, socket }) => void socket.write(httpAnswer(body({ x, id, name: "z" }))),
  "answers under another id": ({ x, socket }) => void socket.write(httpAnswer(body({ x, id: "not-yours" }))),
  "answers 500": says(500, '{"error":"failed"}'),
  "answers 503": says(503, '{"error":"busy"}'),
  "answers 429": says(429, '{"error":"slow down"}', { "retry-after": "3" }),
} satisfies Readonly<Record<string, Spoil>>;

export type HttpFault = keyof typeof HTTP_FAULTS;

/** Each two requests get each other's answers. */
export function swapping(): Spoil {
  let held: ChaosAsk | undefined;
  return (ask) => {
    const other = held;
    held = other === undefined ? ask : undefined;
    if (other === undefined) return;
    other.socket.write(rightBytes(ask));
    ask.socket.write(rightBytes(other));
  };
}

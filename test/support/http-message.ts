// Where an HTTP/1.1 message ends in a run of bytes, for tests that speak it without a library.

export interface Head {
  /** `POST /v2 HTTP/1.1`, or `HTTP/1.1 200 OK`. */
  readonly first: string;
  /** Names in lower case; the last value of each. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes up to and with the empty line. */
  readonly length: number;
}

/** The head at the beginning of the bytes, once it is complete. */
export function headOf(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { first, headers, length: end + 4 };
}

/** A body and the bytes that it takes on the wire. */
export interface Body {
  readonly body: Buffer;
  readonly length: number;
}

/**
 * The body that begins the bytes, once it is complete: by its length or its chunks. `untilClose` for a message that has
 * neither: what then ends it is the connection, or there is none.
 */
export function bodyOf(bytes: Buffer, head: Head): Body | "untilClose" | undefined {
  if (head.headers.get("transfer-encoding")?.toLowerCase() === "chunked") return chunkedBody(bytes);
  const declared = head.headers.get("content-length");
  if (declared === undefined) return "untilClose";
  const length = Number(declared);
  return bytes.byteLength < length ? undefined : { body: bytes.subarray(0, length), length };
}

function chunkedBody(bytes: Buffer): Body | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (bytes.byteLength < end + 2) return undefined;
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
    if (size === 0) return { body: Buffer.concat(parts), length: at };
  }
}

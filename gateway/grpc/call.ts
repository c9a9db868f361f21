// One call over gRPC as its server sees it: the contract between the listener, which owns the library, and those who answer.

/** How a call ends. */
export interface GrpcEnd {
  /** Source: grpc/grpc doc/statuscodes.md; 0 is OK. */
  readonly code: number;
  readonly text: string;
  /** The metadata behind the last message; names and values that gRPC cannot carry are left out. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One call that has come in. Everything but reading does nothing once it is over. */
export interface GrpcCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly peer: string;
  /** The first value of each key, binary values in base64. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Milliseconds that the caller waits, as it says; undefined when it does not. */
  readonly timeoutMs: number | undefined;
  /** Aborted with an InferError when the client has gone, or its deadline passed, before the end. */
  readonly signal: AbortSignal;
  /**
   * The next message, taken from the wire only now; undefined behind the last. Ask for one at a time.
   *
   * @throws InferError the signal's reason
   */
  next(): Promise<Uint8Array | undefined>;
  /** Sends the metadata that stands before the messages. */
  head(metadata: Readonly<Record<string, string>>): void;
  /** Sends a message; resolves when the transport takes more, or the call is over. */
  send(message: Uint8Array): Promise<void>;
  end(end: GrpcEnd): void;
  /** Calls back once when nothing of the call is left, whoever ended it. */
  onClose(listener: () => void): void;
}

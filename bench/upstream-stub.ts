// What a stub of a server behind the gateway is told: ready answers, so that next to nothing of what is measured is its own.

/** What it answers to a question other than the inference. */
export interface ReadyAnswer {
  /** `GET /v2/health/ready`, or the path of a gRPC method. */
  readonly asked: string;
  /** The message that is asked, where several are answered at one path: of gRPC, in base64. */
  readonly message?: string;
  /** A whole answer of HTTP, or a message. */
  readonly bytes: Uint8Array;
}

/** One port. */
export interface StubPort {
  readonly over: "http" | "grpc";
  readonly answers: readonly ReadyAnswer[];
  /** The source of a regular expression: which questions, as `asked` writes them, are inferences. */
  readonly asks: string;
  readonly usual: Uint8Array;
  /** How long an inference takes; nothing when absent. */
  readonly delayMs?: number;
}

/** An inference as the gateway asked it: of HTTP the whole request, of gRPC the path and the message. */
export interface SeenAsk {
  readonly path: string;
  readonly bytes: Uint8Array;
}

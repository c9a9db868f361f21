// Which kind a server was found to be, and with which words of the config it is spoken to.

/** A kind that a server was recognised as. */
export interface Detected {
  /** A word of the registry. */
  readonly kind: string;
  readonly transport: "http" | "grpc";
  /** The words beside `kind` and `endpoints` that it is opened with. */
  readonly words: Readonly<Record<string, unknown>>;
  /** What it says of itself, such as `triton 2.51.0`; empty when it says nothing. */
  readonly server: string;
  /** Extensions of the Open Inference Protocol that it names. */
  readonly extensions?: readonly string[];
  /** What was seen on the way and is worth knowing. */
  readonly notes: readonly string[];
}

/** What was there instead of a server that is recognised. */
export interface Undetected {
  /** `refused`: it wants credentials; `foreign`: it speaks another protocol than it was asked in. */
  readonly why: "refused" | "foreign" | "unknown";
  readonly said: string;
}

// A request while it is being mutated: its parts, and its JSON as a tree whose numbers are their own text.

/** JSON as it is to be written. */
export type Json = null | boolean | string | Token | Json[] | { [key: string]: Json };

/** A number as its own text, so that mutations may write what no JavaScript number is. */
export interface Token {
  readonly token: string;
}

/** What a request is made of before it is put on the wire. */
export interface Draft {
  method: string;
  model: string;
  version: string | undefined;
  tail: string;
  json: { [key: string]: Json };
  blobs: Buffer[];
  headers: Record<string, string>;
  /** How the body is really compressed, whatever the header says. */
  coding: "gzip" | "deflate" | undefined;
  readonly story: string[];
}

/** The models that are asked. */
export const MODELS = ["add_sub", "digits", "iris", "language"] as const;

/** A number as its text. */
export const number = (value: number): Token => ({ token: String(value) });

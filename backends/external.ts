// What every kind of external server shares: its words in the config, its pool of endpoints, health and what is known of its models.

import { z } from "zod";
import type { BackendKind } from "../core/backend.ts";
import type { Connection, Door } from "./connection.ts";

/** A kind of external server: its word, its own words in the config, and how one server is spoken to. */
export interface ServerKind<Words extends z.ZodRawShape> {
  readonly kind: string;
  /** The words that only this kind has; those that all share stand beside them. */
  readonly words: Words;
  connect(words: z.output<z.ZodObject<Words>>, door: Door): Connection;
}

/** The kind as a backend of the registry. */
export function externalKind<Words extends z.ZodRawShape>(kind: ServerKind<Words>): BackendKind {
  return {
    kind: kind.kind,
    options: z.strictObject(kind.words),
    open: () => Promise.reject(new Error("being built")),
  };
}

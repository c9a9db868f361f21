// What every kind of external server shares: its words in the config, its pool of endpoints, health and what is known of its models.

import { z } from "zod";
import type { Backend, BackendContext, BackendKind } from "../core/backend.ts";
import type { Connection, Door } from "./connection.ts";
import { openExternal, type Seams } from "./external/backend.ts";
import { realClients } from "./external/clients.ts";
import { systemResolver } from "./external/discovery.ts";
import { entryList, type SharedModelWords, type SharedWords, sharedModelWords, sharedWords } from "./external/words.ts";

type Shape = z.ZodRawShape;
type Read<Words extends Shape> = z.output<z.ZodObject<Words>>;

/** The words of a kind as `connect` gets them: its own, those of each model by its name there, and those all share. */
export type KindWords<Words extends Shape, ModelWords extends Shape> = Read<Words> & {
  /** Without a prototype: a model may be named `constructor`. */
  readonly models: Readonly<Record<string, Read<ModelWords> & SharedModelWords>>;
  readonly shared: SharedWords;
};

/** A kind of external server: its word, its own words in the config, and how one server is spoken to. */
export interface ServerKind<Words extends Shape, ModelWords extends Shape = Record<never, never>> {
  readonly kind: string;
  /** The words that only this kind has; those that all share stand beside them (`external/words.ts`). */
  readonly words: Words;
  /** The words of one model under `models` that only this kind has; `signature` and `batchDim` all have. */
  readonly modelWords?: ModelWords;
  /** The addresses of a kind that knows them by itself; then the word `endpoints` may be left out. */
  readonly addresses?: (words: KindWords<Words, ModelWords>) => readonly string[];
  /** Its models may have several signatures by name. */
  readonly signatures?: boolean;
  /** Opens the way to one server; nothing needs to be sent yet. Clients opened through the door are closed by the frame. */
  connect(words: KindWords<Words, ModelWords>, door: Door): Connection;
}

/** The kind as a backend of the registry. */
export function externalKind<Words extends Shape, ModelWords extends Shape = Record<never, never>>(
  kind: ServerKind<Words, ModelWords>,
  seams: Partial<Seams> = {},
): BackendKind {
  return {
    kind: kind.kind,
    options: optionsOf(kind),
    open: (options, context) =>
      // `options` is what the schema beside it has read
      open(
        { kind, options: options as SharedWords, seams: { clients: realClients, resolver: systemResolver, ...seams } },
        context,
      ),
  };
}

function optionsOf<Words extends Shape, ModelWords extends Shape>(kind: ServerKind<Words, ModelWords>): z.ZodType {
  const { endpoints } = sharedWords;
  return z.strictObject({
    ...sharedWords,
    endpoints: kind.addresses === undefined ? endpoints : endpoints.optional(),
    ...kind.words,
    models: z
      .record(z.string(), z.strictObject({ ...sharedModelWords, ...kind.modelWords }))
      .default({})
      .describe("What is to be known of models, by their names there; models need not be named here to be served."),
  });
}

interface Opening<Words extends Shape, ModelWords extends Shape> {
  readonly kind: ServerKind<Words, ModelWords>;
  readonly options: SharedWords;
  readonly seams: Seams;
}

async function open<Words extends Shape, ModelWords extends Shape>(
  { kind, options, seams }: Opening<Words, ModelWords>,
  context: BackendContext,
): Promise<Backend> {
  const models = Object.assign(Object.create(null), options.models);
  const words = { ...options, models, shared: options } as unknown as KindWords<Words, ModelWords>;
  const endpoints = options.endpoints ?? entryList.parse([...(kind.addresses?.(words) ?? [])]);
  return openExternal(
    {
      kind: kind.kind,
      words: options,
      endpoints,
      connect: (door) => kind.connect(words, door),
      signatures: kind.signatures ?? false,
    },
    context,
    seams,
  );
}

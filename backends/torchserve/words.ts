// The words of the config that the kind `torchserve` has.

import { z } from "zod";
import { show } from "../../core/words.ts";
import { FORMATS } from "../../wire/torchserve.ts";

const isUrl = (text: string): boolean => /^https?:/.test(text) && URL.canParse(text);

const wrongPort = ({ input }: { readonly input?: unknown }): string =>
  `expected a port such as 8081, or a URL such as http://torchserve:8081, got ${show(input)}`;

/** The words beside those that all kinds share. */
export const torchServeWords = {
  protocol: z
    .enum(["http", "grpc"])
    .default("http")
    .describe("How predictions are asked for: http (port 8080 there), or grpc (port 7070 there)."),
  management: z
    .union([z.int().min(1).max(65_535), z.string().refine(isUrl, { error: wrongPort })], { error: wrongPort })
    .optional()
    .describe("The management port of each server, or its URL: tells models, versions and whether workers are ready."),
  token: z.string().min(1).optional().describe("The inference key of the servers' token authorization."),
  managementToken: z.string().min(1).optional().describe("The management key of the servers' token authorization."),
} as const;

/** The words of one model. */
export const torchServeModelWords = {
  format: z
    .enum(FORMATS)
    .optional()
    .describe(
      "What its handler takes; by default a payload as it is, several as a form, and tensors as json-instances.",
    ),
  answer: z
    .enum(["json", "opaque"])
    .optional()
    .describe(
      "What its handler answers: JSON of the declared outputs, or a payload; by default as the signature says.",
    ),
  versions: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("Its versions there, where no management port tells them; else it has its default version only."),
} as const;

/** What the config says of one model, as far as calls need it. */
export interface ModelWords {
  readonly format?: (typeof FORMATS)[number] | undefined;
  readonly answer?: "json" | "opaque" | undefined;
  readonly versions?: readonly string[] | undefined;
}

/** What the config says of the backend. */
export interface TorchServeWords {
  readonly protocol: "http" | "grpc";
  readonly management?: number | string | undefined;
  readonly token?: string | undefined;
  readonly managementToken?: string | undefined;
  readonly models: Readonly<Record<string, ModelWords>>;
}

/** The header that shows a key; none where the config has none. */
export function bearer(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

// The words of SageMaker in the config: how endpoints and containers are reached, and which form a model's bodies have.

import { z } from "zod";
import { word } from "../../core/words.ts";

const REGION_EXPECTED = "a region such as eu-central-1";

/** The words of the whole backend. */
export const sagemakerWords = {
  mode: z
    .enum(["runtime", "container"])
    .default("runtime")
    .describe("runtime: SageMaker's own API, each model an endpoint; container: a container's port itself."),
  region: word(REGION_EXPECTED, (text) =>
    /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(text) ? { value: text } : { expected: REGION_EXPECTED },
  )
    .optional()
    .describe("The region that requests are signed for; from the endpoint's host or AWS_REGION when absent."),
  credentials: z
    .strictObject({
      accessKeyId: z.string().min(1).describe("Best a reference to the environment."),
      secretAccessKey: z.string().min(1).describe("Best a reference to the environment."),
      sessionToken: z.string().min(1).optional().describe("The token of temporary credentials."),
    })
    .optional()
    .describe(
      "Who signs; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment when absent.",
    ),
  multiModel: z
    .boolean()
    .default(false)
    .describe("container: whether models are loaded and asked under /models rather than the one at /invocations."),
} as const;

/** How a model's bodies are written. */
export const FORMATS = ["instances", "inputs", "csv", "json-lines", "npy"] as const;
export type Format = (typeof FORMATS)[number];

const header = (what: string) =>
  z
    .string()
    .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, "expected printable ASCII")
    .optional()
    .describe(what);

/** The words of one model. */
export const sagemakerModelWords = {
  format: z
    .enum(FORMATS)
    .default("instances")
    .describe('The body: {"instances": rows}, {"inputs": ...}, or a table, rows of JSON or an array of NumPy.'),
  accept: header("The media type that is asked for; the model's own choice when absent."),
  stream: z.boolean().default(false).describe("Whether the model can answer in a stream when a caller asks for one."),
  endpoint: z
    .string()
    .regex(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/, "expected letters, digits and hyphens, at most 63")
    .optional()
    .describe("runtime: the name of the endpoint; the model's own when absent."),
  targetModel: header("The model of a multi-model endpoint, such as fraud-7.tar.gz."),
  targetVariant: header("The production variant to ask."),
  targetContainer: header("The container's host name on an endpoint of several."),
  component: header("The inference component."),
  customAttributes: z
    .string()
    .regex(/^[\x20-\x7e]{1,1024}$/, "expected at most 1024 characters of ASCII")
    .optional()
    .describe("Sent to the model as X-Amzn-SageMaker-Custom-Attributes."),
  url: z.string().min(1).optional().describe("container: where the model's files are, to load it."),
} as const;

const words = z.object(sagemakerWords);
const modelWords = z.object(sagemakerModelWords);

/** How one model is asked. */
export type ModelWords = z.output<typeof modelWords>;

/** What the config says. */
export type SageMakerWords = z.output<typeof words> & { readonly models: Readonly<Record<string, ModelWords>> };

/** The words of a model that the config does not name. */
export const USUAL_MODEL: ModelWords = { format: "instances", stream: false };

// The words of an HTTP template in the config: how a request is written, how an answer is read, what a status means.

import { z } from "zod";
import type { Code } from "../../core/error.ts";
import { word } from "../../core/words.ts";
import { expressionWord } from "./expression.ts";
import { type FaultTable, rowOf } from "./faults.ts";
import { readTemplate, type Template } from "./template.ts";

/** The codes that a status may be given in the config. */
const CODES = [
  "invalid-argument",
  "not-found",
  "unsupported",
  "too-large",
  "overloaded",
  "unavailable",
  "deadline-exceeded",
  "bad-backend",
] as const satisfies readonly Code[];

const template = () =>
  z.unknown().transform((value, context): Template => {
    const read = readTemplate(value);
    if (!("faults" in read)) return read;
    for (const { path, message } of read.faults) {
      context.issues.push({ code: "custom", path: [...path], message, input: value });
    }
    return z.NEVER;
  });

const headers = z.record(z.string(), z.string());

const onlyOne = (words: object) => Object.values(words).filter((word) => word !== undefined).length === 1;

/** How the body of a request is made; one of the words is there. */
const request = z
  .strictObject({
    json: template()
      .optional()
      .describe("A value in which {{x}} stands for the tensor x, {{x.scalar}} for its one element."),
    raw: z.string().min(1).optional().describe("The input whose bytes are the body."),
    form: z
      .record(z.string(), template())
      .optional()
      .describe("The fields of a form (application/x-www-form-urlencoded); with GET, of the query."),
  })
  .refine(onlyOne, "expected one of json, raw and form")
  .describe("The body: a JSON template, an input as it is, or a form. Every input under its name when absent.");

/** How an answer is read; one of the words is there. */
const response = z
  .strictObject({
    outputs: z
      .record(z.string(), expressionWord())
      .optional()
      .describe("Each output by its name: a JMESPath expression that picks it from the JSON answer."),
    raw: z.string().min(1).optional().describe("The output that holds the body of the answer as it is."),
  })
  .refine(onlyOne, "expected one of outputs and raw")
  .describe("How the answer is read. Its members are the outputs when absent.");

const PATH_EXPECTED = "a path such as /predict/{model}, with no {words} but model and version";

const path = () =>
  word(PATH_EXPECTED, (text) =>
    /^\/[!-~]*$/.test(text) && !/\{(?!model\}|version\})/.test(text) ? { value: text } : { expected: PATH_EXPECTED },
  );

/** The words of one model; under the backend they are every model's. */
export const templateWords = {
  method: z.enum(["POST", "PUT", "PATCH", "GET"]).optional().describe("POST when absent."),
  path: path()
    .optional()
    .describe("Where the model is: {model} and {version} stand for its own. /predict when absent."),
  send: headers.optional().describe("Headers of this request beside those that all requests have."),
  request: request.optional(),
  response: response.optional(),
  parts: z
    .enum(["lines", "chunks"])
    .optional()
    .describe("The answer comes in parts: a JSON value a line, or pieces as they come. In one when absent."),
} as const;

const status = z.int().min(100).max(599);

/** The words of the whole backend. */
export const serverWords = {
  ready: z
    .strictObject({
      path: path().describe("What is asked with GET."),
      status: status.default(200).describe("The status that says yes."),
    })
    .optional()
    .describe("How to ask whether the server is ready; without it any answer to GET / will do."),
  errors: z
    .record(z.string().regex(/^[345]\d\d$/, "expected a status from 300 to 599"), z.enum(CODES))
    .transform(
      (codes): FaultTable =>
        Object.fromEntries(Object.entries(codes).map(([each, code]) => [Number(each), rowOf(code)])),
    )
    .optional()
    .describe("What a status means, where it means something else than usual: 409: overloaded."),
} as const;

const templateOf = z.strictObject(templateWords);

/** How one model is asked. */
export type TemplateWords = z.output<typeof templateOf>;

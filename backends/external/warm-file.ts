// The file of requests by which endpoints are warmed up before any has been recorded.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { z } from "zod";
import { InferError } from "../../core/error.ts";
import { fixedTensor } from "../../core/fixed.ts";
import { datatypeWord } from "../../core/signature.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import type { Recorded } from "./warm-record.ts";

const list = z.array(
  z.strictObject({
    model: z.string().min(1),
    inputs: z.array(
      z.strictObject({
        name: z.string().min(1),
        datatype: datatypeWord(),
        shape: z.array(z.int().min(0)),
        data: z.unknown(),
      }),
    ),
  }),
);

export interface WarmFile {
  readonly file: string;
  readonly baseDir: string;
  parseYaml(text: string): unknown;
}

/** @throws InferError invalid-argument naming the file and what is wrong in it */
export async function readWarmFile({ file, baseDir, parseYaml }: WarmFile): Promise<readonly Recorded[]> {
  try {
    const entries = list.parse(parseYaml(await readFile(resolve(baseDir, file), "utf8")));
    return entries.map(({ model, inputs }) => ({
      request: {
        model: { name: model, select: { by: "default" } },
        task: "infer",
        inputs: inputs.map((input) => fixedTensor({ ...input, data: input.data })),
        parameters: NO_PARAMETERS,
        stream: false,
      },
    }));
  } catch (cause) {
    const [issue] = cause instanceof z.ZodError ? cause.issues : [];
    const why = issue === undefined ? (cause as Error).message : `${issue.path.join(".")}: ${issue.message}`;
    throw new InferError("invalid-argument", `warmUp.file ${file}: ${why}`, { cause });
  }
}

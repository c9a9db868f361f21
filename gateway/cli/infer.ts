// `sluice infer`: sends one request to a running gateway and prints the answer.

import { NO_PARAMETERS } from "../../core/tensor.ts";
import {
  decodeResponse,
  encodeRequest,
  JSON_FORM,
  type OipResponse,
  parseHeaderLength,
} from "../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS } from "../../wire/oip-json.ts";
import { runNow } from "../../wire/sliced.ts";
import { systemClock } from "../env.ts";
import { answerText } from "./answer.ts";
import { type Answer, type Client, DEFAULT_URL, modelPath, openClient, refusal } from "./client.ts";
import { type Prepared, prepare } from "./infer-input.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { paintFor, printable } from "./paint.ts";

/** Says how many bytes of a body are JSON before binary tensors. Source: Triton, binary tensor data extension. */
const HEADER_LENGTH = "inference-header-content-length";

export interface InferOptions {
  readonly input?: readonly string[];
  readonly data?: string;
  readonly scale?: string;
  readonly url?: string;
  readonly json?: boolean;
}

/** 0 when the model answered. @param target a model's name, or `name:version` */
export async function runInfer(io: Io, target: string, options: InferOptions): Promise<number> {
  const given = [...(options.input ?? []), ...(options.data === undefined ? [] : [options.data])];
  if (given.length === 0)
    throw new CliError("expected an input: --input @file, --input name=@file or --data '[1, 2]'", EXIT.usage);
  const client = openClient(options.url ?? DEFAULT_URL);
  const { name, version } = readTarget(target);
  const { inputs: specs } = await client.metadata(name, version);
  const prepared = await prepare(given, { io, specs, scale: readScale(options.scale) });
  const started = systemClock.now();
  const answer = await send(client, `${modelPath(name, version)}/infer`, { prepared, json: options.json === true });
  const tookMs = systemClock.now() - started;
  if (answer.status !== 200) throw new CliError(refusal(answer));
  if (options.json === true) {
    io.out(`${Buffer.from(answer.body).toString()}\n`);
    return EXIT.ok;
  }
  const paint = paintFor(io);
  if (prepared.kind === "tensors") for (const line of prepared.said) io.out(paint.dim(`${line}\n`));
  const { modelName, modelVersion, outputs } = decodeAnswer(answer);
  const by = modelVersion === undefined ? "" : ` version ${printable(modelVersion)}`;
  io.out(`${paint.bold(printable(modelName))}${by} answered in ${tookMs.toFixed(1)} ms\n`);
  io.out(answerText(outputs, paint));
  return EXIT.ok;
}

/** `digits` or `digits:2`: what follows the last colon is a version where it is a number. */
export function readTarget(target: string): { readonly name: string; readonly version?: string } {
  const match = /^(.+):(\d+)$/.exec(target);
  const [, name, version] = match ?? [];
  return name === undefined || version === undefined ? { name: target } : { name, version };
}

/** `16/255`, `0.5` or `2`; 1 where nothing is said. */
export function readScale(text: string | undefined): number {
  if (text === undefined) return 1;
  const [, over = "", under = "1"] = /^([\d.e-]+)(?:\/([\d.e-]+))?$/i.exec(text.trim()) ?? [];
  const scale = over === "" ? Number.NaN : Number(over) / Number(under);
  if (Number.isFinite(scale)) return scale;
  throw new CliError(
    `--scale: expected a number or a fraction such as 16/255, got ${JSON.stringify(text)}`,
    EXIT.usage,
  );
}

interface Sent {
  readonly prepared: Prepared;
  /** The answer is wanted in JSON, to be printed as it came; else as bytes, which carry every datatype. */
  readonly json: boolean;
}

function send(client: Client, path: string, { prepared, json }: Sent): Promise<Answer> {
  if (prepared.kind === "body") {
    return client.ask({ method: "POST", path, headers: { "content-type": "application/json" }, body: prepared.body });
  }
  const request = {
    model: { name: "", select: { by: "default" } },
    task: "infer",
    inputs: prepared.inputs,
    parameters: NO_PARAMETERS,
    stream: false,
  } as const;
  const form = { ...JSON_FORM, binaryByDefault: !json };
  const { parts, headerLength } = runNow(encodeRequest(request, { isBinary: () => true, form }));
  const headers: Record<string, string> =
    headerLength === undefined
      ? { "content-type": "application/json" }
      : { "content-type": "application/octet-stream", [HEADER_LENGTH]: String(headerLength) };
  return client.ask({ method: "POST", path, headers, body: Buffer.concat(parts) });
}

function decodeAnswer({ headers, body }: Answer): OipResponse {
  const length = parseHeaderLength(headers.get(HEADER_LENGTH) ?? undefined, body.byteLength);
  const limits = DEFAULT_WIRE_LIMITS;
  return runNow(decodeResponse(body, typeof length === "number" ? { limits, headerLength: length } : { limits }));
}

// The contract of a SageMaker container: /ping, /invocations, and /models where it holds several.

import { z } from "zod";
import type { ControlPlane } from "../../core/backend.ts";
import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { ModelStatus } from "../../core/model.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Connection, Door, HttpAnswer, HttpAsk, HttpClient } from "../connection.ts";
import { checkTask } from "../http/answers.ts";
import { parseDocument, wholeReply } from "../http/bodies.ts";
import { statusFault, USUAL_FAULTS } from "../http/faults.ts";
import { ONLY_VERSION, readyModels } from "../http/models.ts";
import { readBody, writeBody } from "./bodies.ts";
import { CONTAINER_FAULTS } from "./faults.ts";
import { type SageMakerWords, USUAL_MODEL } from "./words.ts";

interface Container {
  readonly words: SageMakerWords;
  readonly door: Door;
  readonly client: HttpClient;
}

/** The connection to one container. */
export function connectContainer(words: SageMakerWords, door: Door): Connection {
  const container: Container = { words, door, client: door.http() };
  return {
    infer: (request, call) => infer(container, request, call),
    health: (signal) => health(container, signal),
    models: (wanted, signal) =>
      words.multiModel ? listModels(container, signal) : Promise.resolve(readyModels(words.models, wanted)),
    metadata: (model) =>
      Promise.reject(new InferError("unsupported", `model "${model.name}": a container cannot tell its signature`)),
    ...(words.multiModel ? { control: controlOf(container) } : {}),
    close: () => container.client.close(),
  };
}

async function health({ client, door }: Container, signal: AbortSignal): Promise<string> {
  const answer = await client.ask(
    { method: "GET", path: "/ping", headers: door.headers(undefined), idempotent: true },
    { signal },
  );
  if (answer.status === 200) return "sagemaker container";
  throw new InferError("unavailable", `expected status 200 from /ping, got ${answer.status}`);
}

async function infer({ words, door, client }: Container, request: InferRequest, call: Call): Promise<Reply> {
  checkTask(request);
  const { name } = request.model;
  const model = words.models[name] ?? USUAL_MODEL;
  const body = await writeBody(request, model.format, { door, signal: call.signal });
  const target = words.multiModel ? (model.targetModel ?? name) : model.targetModel;
  const own = {
    accept: model.accept,
    "x-amzn-sagemaker-target-model": target,
    "x-amzn-sagemaker-custom-attributes": model.customAttributes,
  };
  const ask: HttpAsk = {
    method: "POST",
    path: words.multiModel ? `/models/${encodeURIComponent(name)}/invoke` : "/invocations",
    headers: {
      ...door.headers(call),
      "content-type": body.contentType,
      ...Object.fromEntries(Object.entries(own).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))),
    },
    body: body.parts,
  };
  const answer = await client.ask(ask, call);
  if (answer.status !== 200) throw statusFault(answer, [CONTAINER_FAULTS, USUAL_FAULTS]);
  return wholeReply(request, await readBody(answer, request, { door, signal: call.signal }));
}

const listed = z.looseObject({ modelName: z.string() });
/** multi-model-server's page, and TF Serving's bare list. */
const page = z.union([
  z.array(listed).transform((models) => ({ models, nextPageToken: undefined })),
  z.looseObject({ models: z.array(listed), nextPageToken: z.union([z.string(), z.number()]).nullish() }),
]);

/** Pages that are asked for at most: 100 models each. */
const MAX_PAGES = 100;

async function listModels({ client, door }: Container, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const models: ModelStatus[] = [];
  let query = "";
  for (let i = 0; i < MAX_PAGES; i++) {
    const ask = { method: "GET", path: `/models${query}`, headers: door.headers(undefined), idempotent: true } as const;
    const answer = await client.ask(ask, { signal });
    if (answer.status !== 200) throw statusFault(answer, [USUAL_FAULTS]);
    const read = page.safeParse(parseDocument(answer.body));
    if (!read.success) throw new InferError("bad-backend", "the backend's list of models cannot be read");
    for (const { modelName } of read.data.models) {
      models.push({ name: modelName, version: ONLY_VERSION, state: "ready" });
    }
    const token = read.data.nextPageToken;
    if (token === undefined || token === null || token === "") break;
    query = `?next_page_token=${encodeURIComponent(token)}`;
  }
  return models;
}

function controlOf(container: Container): ControlPlane {
  const { words, client, door } = container;
  const send = async (ask: HttpAsk, signal: AbortSignal, isFine: (answer: HttpAnswer) => boolean) => {
    const answer = await client.ask({ ...ask, headers: { ...door.headers(undefined), ...ask.headers } }, { signal });
    if (!isFine(answer)) throw statusFault(answer, [CONTAINER_FAULTS, USUAL_FAULTS]);
  };
  return {
    async load(model, signal) {
      const url = words.models[model]?.url;
      if (url === undefined) {
        throw new InferError("unsupported", `model "${model}": expected the word url, which says where its files are`);
      }
      const body = Buffer.from(JSON.stringify({ model_name: model, url }));
      const headers = { "content-type": "application/json" };
      // 409: it is loaded already
      const isFine = ({ status }: HttpAnswer) => status === 200 || status === 409;
      await send({ method: "POST", path: "/models", headers, body }, signal, isFine);
    },
    async unload(model, signal) {
      const path = `/models/${encodeURIComponent(model)}`;
      await send({ method: "DELETE", path }, signal, ({ status }) => status === 200 || status === 204);
    },
  };
}

// MultiInference: several classifications and regressions of the same Examples by one model, answered together.

import { InferError, invalid } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import { classesOf, regressionsOf } from "../../../wire/tfs-examples.ts";
import {
  decodeMultiRequest,
  encodeMultiResponse,
  type TfsInferenceResult,
  type TfsInferenceTask,
} from "../../../wire/tfs-proto-examples.ts";
import { grpcFail, grpcReply, messageOf, OK } from "../grpc-status.ts";
import { askedBy, joined, type Question } from "./examples.ts";
import { exchangeBy, type Method } from "./replies.ts";

/** Tasks of one message: a model has few signatures. */
const MAX_TASKS = 16;

/** Each task is a request of its own; the first fault is the answer. */
export async function multiInference(wire: WireRequest, planes: Planes): Promise<WireReply> {
  let questions: readonly Question[];
  try {
    questions = await questionsIn(wire, planes);
  } catch (error) {
    return grpcFail(error);
  }
  const results: (TfsInferenceResult | undefined)[] = questions.map(() => undefined);
  const replies = await Promise.all(
    questions.map((question, index) => {
      const method = methodOf(question, (result) => {
        results[index] = result;
      });
      return exchangeBy(method, wire, planes);
    }),
  );
  const first = replies.find(({ status }) => status !== OK) ?? replies[0];
  if (first === undefined || first.status !== OK) return first ?? grpcFail(noTasks());
  return { ...first, body: encodeMultiResponse(results.filter((result) => result !== undefined)) };
}

async function questionsIn(wire: WireRequest, planes: Planes): Promise<readonly Question[]> {
  const { tasks, examples } = decodeMultiRequest(messageOf(wire));
  if (tasks.length === 0) throw noTasks();
  if (tasks.length > MAX_TASKS) throw invalid(`expected at most ${MAX_TASKS} tasks, got ${tasks.length}`);
  const name = tasks[0]?.model?.name;
  const seen = new Set<string>();
  for (const { model } of tasks) {
    if (model?.name !== name) {
      throw invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.");
    }
    const signature = model?.signature ?? "";
    if (seen.has(signature)) throw invalid(`Duplicate evaluation of signature: ${signature}`);
    seen.add(signature);
  }
  const asked = tasks.map((task) => ({ task: taskOf(task), model: task.model }));
  const input = await joined(examples, wire, planes);
  return asked.map((one) => ({ ...one, input }));
}

function noTasks(): InferError {
  return invalid("expected tasks, got none");
}

function taskOf({ method }: TfsInferenceTask): Question["task"] {
  if (method === "tensorflow/serving/classify") return "classify";
  if (method === "tensorflow/serving/regress") return "regress";
  throw new InferError("unsupported", `Unsupported signature method_name: ${method}`);
}

/** Its answer goes to `take`; what is written is put together from all of them. */
function methodOf(question: Question, take: (result: TfsInferenceResult) => void): Method {
  return {
    isPredict: false,
    read: async (_wire, _planes, tell) => askedBy(question, tell),
    async write({ outputs }, model) {
      if (question.task === "classify") take({ task: "classify", model, results: classesOf(outputs) });
      else take({ task: "regress", model, values: regressionsOf(outputs) });
      return grpcReply(new Uint8Array(0));
    },
  };
}

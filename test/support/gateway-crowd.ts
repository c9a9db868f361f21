// Many clients at once, each with an input that nobody else has, each holding its answer against that input.

import { chance } from "./gateway-demo.ts";
import { binaryBody, elements, jsonBody, type Plain, plain, readInfer } from "./gateway-oip.ts";
import { type Answer, ask, keptConnections } from "./http-client.ts";

export interface CrowdOptions {
  readonly port: number;
  /** Clients at once, each on a connection of its own. */
  readonly clients: number;
  /** Requests of each client, one after the other. */
  readonly rounds: number;
}

export interface CrowdReport {
  /** Answers of status 200. */
  readonly answered: number;
  /** Refusals for being too many (503), each asked again. */
  readonly refused: number;
  /** What was wrong, in words: another's answer, a wrong value, any other status. Empty when all is well. */
  readonly wrong: readonly string[];
}

/** Asks `add_sub`, whose answer tells its question: sum and difference give both inputs back. */
export async function crowd(options: CrowdOptions): Promise<CrowdReport> {
  const agent = keptConnections(options.clients);
  const report = { answered: 0, refused: 0, wrong: [] as string[] };
  const one = async (client: number) => {
    for (let round = 0; round < options.rounds; round += 1) await askOnce({ ...options, agent, client, round, report });
  };
  await Promise.all(Array.from({ length: options.clients }, (_, client) => one(client)));
  agent.destroy();
  return report;
}

interface Turn extends CrowdOptions {
  readonly agent: ReturnType<typeof keptConnections>;
  readonly client: number;
  readonly round: number;
  readonly report: { answered: number; refused: number; wrong: string[] };
}

/** A refused request is asked again this often at most. */
const TRIES = 200;

async function askOnce(turn: Turn): Promise<void> {
  const { port, agent, client, round, report } = turn;
  const id = `${client}/${round}`;
  const inputs = inputsOf(client, round);
  const { body, headers } = client % 2 === 0 ? jsonBody(inputs, { id }) : binaryBody(inputs, withBlobs(id));
  const what = { port, agent, path: "/v2/models/add_sub/infer", body, headers: { ...headers, "x-request-id": id } };
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    let answer: Answer;
    try {
      answer = await ask(what);
    } catch (error) {
      report.wrong.push(`${id}: ${error}`);
      return;
    }
    if (answer.status !== 503) {
      judge(answer, { id, inputs, report });
      return;
    }
    report.refused += 1;
    // the turn of the loop in which others are answered
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  report.wrong.push(`${id}: refused ${TRIES} times`);
}

const withBlobs = (id: string) => ({ id, parameters: { binary_data_output: true } });

interface Expected {
  readonly id: string;
  readonly inputs: readonly Plain[];
  readonly report: { answered: number; wrong: string[] };
}

function judge(answer: Answer, { id, inputs, report }: Expected): void {
  if (answer.status !== 200) {
    report.wrong.push(`${id}: status ${answer.status}: ${answer.body}`);
    return;
  }
  report.answered += 1;
  const read = readInfer(answer);
  if (read.id !== id) report.wrong.push(`${id}: the answer has id ${read.id}`);
  if (answer.headers["x-request-id"] !== id) report.wrong.push(`${id}: x-request-id ${answer.headers["x-request-id"]}`);
  const [a = [], b = []] = inputs.map((input) => elements(input).map(Number));
  const [sum, difference] = read.outputs.map((output) => elements(output).map(Number));
  const isRight = a.every(
    (x, i) => sum?.[i] === ((x + (b[i] as number)) | 0) && difference?.[i] === ((x - (b[i] as number)) | 0),
  );
  if (!isRight || sum?.length !== a.length) report.wrong.push(`${id}: the answer is not that of its input`);
}

/** No two clients and no two rounds have the same; the number of rows differs too, so that an answer cut short shows. */
function inputsOf(client: number, round: number): Plain[] {
  const dice = chance(client * 7919 + round);
  const rows = 1 + dice.below(3);
  const values = () => Array.from({ length: rows * 16 }, () => dice.below(2 ** 31));
  return [
    plain("INPUT0", "INT32", [rows, 16], [client, round, ...values().slice(2)]),
    plain("INPUT1", "INT32", [rows, 16], values()),
  ];
}

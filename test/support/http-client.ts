// A plain HTTP client for tests: sends what it is told, follows nothing, undoes no compression.

import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export interface Ask {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** A connection of its own when absent. */
  readonly agent?: Agent;
  /** How long the answer may take, in milliseconds; 15 seconds when absent. */
  readonly patienceMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON, an error where nothing else is said. Throws, quoting the body, when it is none. */
  json<T = { readonly error: string }>(): T;
}

/** How long an answer may take, in milliseconds: a hang fails by name. */
const PATIENCE_MS = 15_000;

export function ask(what: Ask): Promise<Answer> {
  const { port, path, body, agent, patienceMs = PATIENCE_MS } = what;
  const method = what.method ?? (body === undefined ? "GET" : "POST");
  // Node sends the body of a GET without saying how long it is
  const lengths = body === undefined || what.headers?.["transfer-encoding"] !== undefined ? {} : lengthOf(body);
  const headers = { ...lengths, ...what.headers };
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, method, path, headers, agent: agent ?? false, setHost: true },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("end", () => {
          const whole = Buffer.concat(chunks);
          const json = <T>() => parse(whole, `${method} ${path}`) as T;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, json });
        });
        response.once("error", reject);
      },
    );
    asked.once("error", reject);
    asked.setTimeout(patienceMs, () => asked.destroy(new Error(`no answer to ${method} ${path} in ${patienceMs} ms`)));
    asked.end(body === undefined ? undefined : body);
  });
}

function lengthOf(body: string | Uint8Array): Readonly<Record<string, string>> {
  return { "content-length": String(Buffer.byteLength(body)) };
}

function parse(body: Buffer, asked: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new Error(`the answer to ${asked} is no JSON: ${JSON.stringify(body.toString().slice(0, 400))}`, { cause });
  }
}

/** Connections that are kept and used again, at most so many at once. */
export function keptConnections(most: number): Agent {
  return new Agent({ keepAlive: true, maxSockets: most });
}

/** Waits for something that other turns of the event loop bring about. */
export async function until(condition: () => boolean | Promise<boolean>, patienceMs = 5_000): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`never came true: ${condition}`);
    await pause(1);
  }
}

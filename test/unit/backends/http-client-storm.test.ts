import { describe, expect, it } from "vitest";
import { InferError } from "../../../core/error.ts";
import { seededRandom } from "../../support/fake-env.ts";
import { countedSignal, POST, patient, testClient } from "../../support/upstream-client.ts";
import { okAnswer, rawUpstream, type UpstreamRequest } from "../../support/upstream-raw.ts";

const CONNECTIONS = 4;
/** Asked when the storm is over. */
const CALM = { ...POST, path: "/calm" };
const ASKS = 600;
const ASKERS = 12;

/** Every way in which a server was seen to behave, and some worse. The answer names the request, so that none can be another's. */
function behave(request: UpstreamRequest, draw: () => number, pipelining: number): void {
  const { socket } = request;
  const name = request.line.split(" ")[1] ?? "";
  const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${name.length.toString(16)}\r\n${name}\r\n0\r\n\r\n`;
  const ways = [
    () => socket.write(okAnswer(name)),
    () => socket.write(okAnswer(name)),
    () => socket.write(chunked),
    () => socket.end(okAnswer(name)),
    () => socket.write(okAnswer(name, { connection: "close" }), () => socket.resetAndDestroy()),
    () => socket.end(`HTTP/1.0 200 OK\r\n\r\n${name}`),
    () => socket.resetAndDestroy(),
    () => socket.end(),
    () => socket.write(okAnswer(name).subarray(0, 30), () => socket.resetAndDestroy()),
    () => socket.end(okAnswer(`${name} and more`).subarray(0, -4)),
    () => socket.write("garbage\r\n\r\n"),
    // from here on out of turn, which no server may be where several requests share a connection
    () => setTimeout(() => socket.destroyed || socket.write(okAnswer(name)), draw() * 5),
    () => setTimeout(() => socket.destroyed || socket.resetAndDestroy(), draw() * 5),
    () => {}, // never: the caller leaves
  ];
  ways[Math.floor(draw() * (pipelining === 1 ? ways.length : ways.length - 3))]?.();
}

describe("a storm of requests to a server that does everything wrong", () => {
  it.each([1, 4])(
    "leaves no caller without an end, no answer with another, no connection lost (pipelining %i)",
    async (pipelining) => {
      const draw = seededRandom(42 + pipelining);
      const held: UpstreamRequest[] = [];
      let isCalm = false;
      const server = await rawUpstream((request) => {
        // what callers asked who have left may come as late as this
        if (request.line.split(" ")[1] !== CALM.path) behave(request, draw, pipelining);
        else if (isCalm) request.socket.write(okAnswer("calm"));
        else held.push(request);
      });
      const client = testClient(server, { connections: CONNECTIONS, pipelining, maxWaiting: ASKS });
      const callers = Array.from({ length: ASKS }, () => countedSignal());
      const one = async (caller: { readonly signal: AbortSignal; abort(): void }, n: number) => {
        const ask = { ...POST, path: `/${n}`, ...(draw() < 0.5 ? { idempotent: true } : {}) };
        // some leave in the middle of things; the others are patient, however slow the machine
        const leave = setTimeout(() => caller.abort(), draw() < 0.2 ? draw() * 5 : 250);
        try {
          if (draw() < 0.7) return [`/${n}`, `${(await client.ask(ask, caller)).body}`];
          const { parts } = await client.stream(ask, caller);
          let text = "";
          for await (const part of parts) {
            text += Buffer.from(part).toString();
            if (draw() < 0.2) return [`/${n}`.slice(0, text.length), text];
          }
          return [`/${n}`, text];
        } catch (error) {
          expect(error).toBeInstanceOf(InferError);
          return (error as InferError).code;
        } finally {
          clearTimeout(leave);
        }
      };
      const results: (string | readonly string[])[] = [];
      const left = [...callers.entries()];
      const asker = async () => {
        for (let next = left.shift(); next !== undefined; next = left.shift())
          results.push(await one(next[1], next[0]));
      };
      await Promise.all(Array.from({ length: ASKERS }, asker));
      const codes = new Set(results.filter((result) => typeof result === "string"));
      expect([...codes]).toContain("unavailable");
      expect(results).toHaveLength(ASKS);
      const answers = results.filter((result) => Array.isArray(result));
      expect(answers.length).toBeGreaterThan(ASKS / 4);
      for (const [asked, got = ""] of answers) expect(got.split(" ")[0]).toBe(asked);
      expect(callers.map(({ count }) => count).filter((count) => count !== 0)).toEqual([]);

      // as many requests at once as there are connections: each has one of its own again
      const last = Array.from({ length: CONNECTIONS }, () => client.ask(CALM, patient()));
      // one that went out on a connection which the storm still ended has come again on another
      const living = () => held.filter(({ socket }) => !socket.destroyed);
      while (living().length < CONNECTIONS) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(new Set(living().map(({ connection }) => connection)).size).toBe(CONNECTIONS);
      isCalm = true;
      for (const { socket } of living()) socket.write(okAnswer("calm"));
      for (const answer of await Promise.all(last)) expect(`${answer.body}`).toBe("calm");
      await client.close();
      await server.close();
    },
  );
});

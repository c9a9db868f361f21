// Two endpoints behind one model, the second one well: a fault of the first costs no request, or an honest error at most.

import { afterEach, describe, expect, it } from "vitest";
import { openChaosGateway } from "../support/chaos.ts";
import { HTTP_FAULTS, type HttpFault } from "../support/chaos-faults.ts";
import { line, startChaosServer } from "../support/chaos-http.ts";

/** Faults that another endpoint cures, as long as the deadline has not passed: all but those that nothing tells in time. */
const UNCURED: ReadonlySet<HttpFault> = new Set([
  "takes the request and hangs",
  "drips without an end",
  // the model's own word about the data: another endpoint would say the same
  "answers 200 with an error inside",
]);

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

describe("beside an endpoint that is well, one that", () => {
  for (const name of (Object.keys(HTTP_FAULTS) as HttpFault[]).filter((one) => !UNCURED.has(one))) {
    it(`${name} costs none of 8 requests`, async () => {
      const [sick, well] = [await startChaosServer(), await startChaosServer()];
      opened.push(sick, well);
      const gateway = await openChaosGateway({ ports: [sick.port, well.port] });
      opened.push(gateway);
      // both have echoed an id before
      for (let n = 0; n < 4; n += 1) expect((await gateway.ask([n])).status).toBe(200);
      sick.spoil(HTTP_FAULTS[name]);
      const before = sick.asks;
      const seen = [];
      for (let n = 0; n < 8; n += 1) seen.push(await (n % 2 === 0 ? gateway.ask([n, 100]) : gateway.askGrpc([n, 100])));
      expect(seen.map(({ y }) => y)).toEqual(Array.from({ length: 8 }, (_, n) => line([n, 100])));
      // it was asked: what came back had to be cured
      expect(sick.asks).toBeGreaterThan(before);
    });
  }
});

// A server whose certificate expires: what the client sees, what health says, and that a new certificate brings it back.

import { createServer, type Server } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { openChaosGateway } from "../support/chaos.ts";
import { makeExpiringCerts } from "../support/chaos-certs.ts";
import { startChaosServer } from "../support/chaos-http.ts";

const certs = makeExpiringCerts();
afterAll(() => certs?.clear());

describe.skipIf(certs === undefined)("a certificate that", () => {
  it("expires is 503 for new connections, costs the endpoint its health, and a new one brings it back", async () => {
    const { ca, valid, expired } = certs!;
    let tls: Server | undefined;
    const server = await startChaosServer({
      scheme: "https",
      listen(onSocket) {
        tls = createServer(valid, onSocket);
        tls.on("tlsClientError", () => {});
        return tls;
      },
    });
    const gateway = await openChaosGateway({
      ports: [server.port],
      endpoints: `["https://127.0.0.1:${server.port}"]`,
      backend: `, tls: {ca: ${ca}}`,
    });
    try {
      expect((await gateway.ask([1])).y).toEqual([4]);
      // a connection that stands is not asked again for its certificate
      tls?.setSecureContext(expired);
      expect((await gateway.ask([2])).y).toEqual([7]);
      server.cut();
      const seen = await gateway.ask([3]);
      expect([seen.status, seen.origin, seen.y]).toEqual([503, "backend", undefined]);
      expect(await gateway.checksUntil(server.port, "unhealthy")).toBeLessThanOrEqual(3);
      const [reason] = gateway.env.lines.filter(({ message }) => message === "endpoint is not healthy").slice(-1);
      expect(JSON.stringify(reason?.fields)).toMatch(/CERT_HAS_EXPIRED/);
      tls?.setSecureContext(valid);
      expect(await gateway.checksUntil(server.port, "healthy")).toBe(2);
      expect((await gateway.ask([3])).y).toEqual([10]);
    } finally {
      await gateway.close();
      await server.close();
    }
  });
});

// A server whose certificate expires: what the client sees, what health says, and that a new certificate brings it back.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { openChaosGateway } from "../support/chaos.ts";
import { makeExpiringCerts } from "../support/chaos-certs.ts";
import { startChaosServer } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";
import { makeCerts } from "../support/upstream-certs.ts";

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

const pairs = makeCerts();

describe.skipIf(pairs === undefined)("the gateway's own certificate", () => {
  it("is taken from its files again when they are replaced, so that a server that asks for another one is reached", async () => {
    const { ca, server: own, client, stranger } = pairs!;
    const folder = mkdtempSync(join(tmpdir(), "sluice-rotated-"));
    const put = ({ cert, key }: { readonly cert: Buffer; readonly key: Buffer }) => {
      writeFileSync(join(folder, "tls.crt"), cert);
      writeFileSync(join(folder, "tls.key"), key);
    };
    writeFileSync(join(folder, "ca.pem"), ca);
    put(client);
    let tls: Server | undefined;
    const server = await startChaosServer({
      scheme: "https",
      listen(onSocket) {
        tls = createServer({ ...own, ca, requestCert: true, rejectUnauthorized: true }, onSocket);
        tls.on("tlsClientError", () => {});
        return tls;
      },
    });
    const file = (name: string) => join(folder, name);
    const gateway = await openChaosGateway({
      ports: [server.port],
      endpoints: `["https://127.0.0.1:${server.port}"]`,
      backend: `, tls: {ca: ${file("ca.pem")}, cert: ${file("tls.crt")}, key: ${file("tls.key")}}`,
    });
    try {
      expect((await gateway.ask([1])).y).toEqual([4]);
      tls?.setSecureContext({ ...own, ca: stranger.ca });
      server.cut();
      expect((await gateway.ask([2])).status).toBe(503);
      await gateway.checksUntil(server.port, "unhealthy");
      put(stranger);
      const isNew = () => gateway.env.lines.some(({ message }) => /^files of tls have changed: new/.test(message));
      await until(() => {
        // the pause after a change
        gateway.env.clock.advance(100);
        return isNew();
      });
      await gateway.checksUntil(server.port, "healthy");
      expect((await gateway.ask([3])).y).toEqual([10]);
    } finally {
      await gateway.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

import type { PeerCertificate } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { GrpcClient } from "../../../backends/connection.ts";
import type { ClientTls } from "../../../backends/tls.ts";
import { makeCerts } from "../../support/upstream-certs.ts";
import { faultOf, patient } from "../../support/upstream-client.ts";
import { EXCHANGE, type GrpcHandlers, grpcUpstream, testGrpcClient, UNARY } from "../../support/upstream-grpc.ts";
import { testProxy } from "../../support/upstream-proxy.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function _opened(
  handlers: GrpcHandlers,
  options: Parameters<typeof testGrpcClient>[1] = {},
): Promise<GrpcClient> {
  const server = await grpcUpstream(handlers);
  const client = testGrpcClient(server.url, options);
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return client;
}

const HELLO = Buffer.from("hello");

const certs = makeCerts();

describe.skipIf(certs === undefined)("gRPC over TLS (needs openssl)", () => {
  const { ca, server: own, client: ours, stranger } = certs ?? ({} as NonNullable<typeof certs>);

  async function secure(checkClient: boolean): Promise<URL> {
    const pair = { private_key: own.key, cert_chain: own.cert };
    const server = await grpcUpstream({}, { credentials: ServerCredentials.createSsl(ca, [pair], checkClient) });
    closing.push(() => server.close());
    return server.url;
  }

  async function asked(url: URL, tls: Parameters<typeof testGrpcClient>[1]): Promise<string> {
    const client = testGrpcClient(url, tls);
    closing.push(() => client.close());
    return `${await client.unary(UNARY, HELLO, patient())}`;
  }

  it("takes other certificates for new calls, and lets those in flight end on the connection that they have", async () => {
    const pair = { private_key: own.key, cert_chain: own.cert };
    const peers: string[] = [];
    const seen = (call: { getAuthContext(): unknown }) => {
      const { sslPeerCertificate: peer } = call.getAuthContext() as { sslPeerCertificate?: PeerCertificate };
      peers.push(`${peer?.subject.CN}`);
    };
    const server = await grpcUpstream(
      {
        unary(call, answer) {
          seen(call);
          answer(null, call.request);
        },
        exchange(call) {
          seen(call);
          call.on("data", (bytes: Buffer) => call.write(bytes));
          call.on("end", () => call.end());
        },
      },
      { credentials: ServerCredentials.createSsl(ca, [pair], true) },
    );
    closing.push(() => server.close());
    let renew = (_: ClientTls) => {};
    let isFollowed = true;
    const client = testGrpcClient(server.url, {
      tls: { ca, ...ours },
      onTls(listener) {
        renew = listener;
        return () => {
          isFollowed = false;
        };
      },
    });
    closing.push(() => client.close());
    const exchange = client.exchange(EXCHANGE, patient());
    const parts = exchange.messages[Symbol.asyncIterator]();
    await exchange.send(HELLO);
    expect(`${(await parts.next()).value}`).toBe("hello");
    renew({ ca, ...own });
    expect(`${await client.unary(UNARY, HELLO, patient())}`).toBe("hello");
    await exchange.send(HELLO);
    expect(`${(await parts.next()).value}`).toBe("hello");
    exchange.half();
    expect((await parts.next()).done).toBe(true);
    expect(peers).toEqual(["client", "server"]);
    renew({ ca: stranger.ca });
    expect((await faultOf(client.unary(UNARY, HELLO, patient()))).code).toBe("unavailable");
    await client.close();
    expect(isFollowed).toBe(false);
  });

  it("goes to the address that it was given, and checks and says the name that the URL has", async () => {
    const pair = { private_key: own.key, cert_chain: own.cert };
    const hosts: string[] = [];
    const server = await grpcUpstream(
      {
        unary(call, answer) {
          hosts.push(call.getHost());
          answer(null, call.request);
        },
      },
      { credentials: ServerCredentials.createSsl(null, [pair]) },
    );
    closing.push(() => server.close());
    const { port } = server.url;
    const at = (name: string) =>
      asked(new URL(`https://${name}:${port}`), { tls: { ca }, address: "127.0.0.1", connectTimeoutMs: 2_000 });
    expect(await at("backend.test")).toBe("hello");
    expect((await faultOf(at("elsewhere.test"))).code).toBe("unavailable");
    expect(hosts).toEqual([`backend.test:${port}`]);
  });

  it("trusts the authority and the name that it was given, or any when it was told so", async () => {
    const url = await secure(false);
    for (const tls of [{ ca }, { ca, serverName: "backend.test" }, { insecure: true }]) {
      expect(await asked(url, { tls })).toBe("hello");
    }
  });

  it("is unavailable when the certificate is not to be trusted", async () => {
    const url = await secure(false);
    for (const tls of [{ ca: stranger.ca }, { ca, serverName: "elsewhere.test" }, {}]) {
      const fault = await faultOf(asked(url, { tls }));
      expect([fault.code, fault.origin, fault.message]).toEqual([
        "unavailable",
        "backend",
        "no connection to the backend",
      ]);
    }
  });

  it("is unavailable when the certificate is another's, although its authority is trusted", async () => {
    const pair = { private_key: ours.key, cert_chain: ours.cert };
    const server = await grpcUpstream({}, { credentials: ServerCredentials.createSsl(null, [pair]) });
    closing.push(() => server.close());
    expect((await faultOf(asked(server.url, { tls: { ca } }))).code).toBe("unavailable");
    expect(await asked(server.url, { tls: { ca, serverName: "gateway.test" } })).toBe("hello");
  });

  it("shows its own certificate to a server that asks for one", async () => {
    const url = await secure(true);
    expect(await asked(url, { tls: { ca, ...ours } })).toBe("hello");
    for (const tls of [{ ca }, { ca, cert: stranger.cert, key: stranger.key }]) {
      expect((await faultOf(asked(url, { tls }))).code).toBe("unavailable");
    }
  });

  it("goes through a proxy's tunnel, checking the server's name", async () => {
    const url = await secure(true);
    const proxy = await testProxy();
    closing.push(() => proxy.close());
    const variables = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    expect(await asked(url, { proxy: variables, tls: { ca, ...ours, serverName: "backend.test" } })).toBe("hello");
    expect(proxy.asked).toEqual([`CONNECT ${url.host}`]);
  });
});

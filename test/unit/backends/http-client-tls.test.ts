import type { Server } from "node:net";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import type { ClientTls } from "../../../backends/tls.ts";
import { until } from "../../support/http-client.ts";
import { makeCerts } from "../../support/upstream-certs.ts";
import { faultOf, GET, POST, patient, testClient } from "../../support/upstream-client.ts";
import { testProxy } from "../../support/upstream-proxy.ts";
import { okAnswer, rawUpstream, type Upstream, type UpstreamRequest } from "../../support/upstream-raw.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function plainServer(): Promise<Upstream> {
  const server = await rawUpstream(({ socket }) => void socket.write(okAnswer("plain")));
  closing.push(() => server.close());
  return server;
}

function client(url: URL, options: Parameters<typeof testClient>[1]): HttpClient {
  const opened = testClient({ url }, options);
  closing.push(() => opened.close());
  return opened;
}

const certs = makeCerts();

describe.skipIf(certs === undefined)("TLS (needs openssl)", () => {
  const { ca, server: own, client: ours, stranger } = certs ?? ({} as NonNullable<typeof certs>);

  async function secureServer(options: TlsOptions = {}): Promise<Upstream> {
    const server = await rawUpstream(({ socket }) => void socket.write(okAnswer("secret")), {
      scheme: "https",
      listen: (onSocket): Server => {
        const listening = createServer({ ...own, ...options }, onSocket);
        // a handshake that failed is the client's to tell
        listening.on("tlsClientError", () => {});
        return listening;
      },
    });
    closing.push(() => server.close());
    return server;
  }

  it("takes other certificates for new connections, and ends those that stand with what is in flight on them", async () => {
    const held: UpstreamRequest[] = [];
    const server = await rawUpstream(
      (request) =>
        void (request.line.startsWith("GET") ? held.push(request) : request.socket.write(okAnswer("secret"))),
      {
        scheme: "https",
        listen: (onSocket): Server =>
          createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false }, onSocket),
      },
    );
    closing.push(() => server.close());
    let renew = (_: ClientTls) => {};
    let isFollowed = true;
    const asking = client(server.url, {
      tls: { ca, ...ours },
      onTls(listener) {
        renew = listener;
        return () => {
          isFollowed = false;
        };
      },
    });
    await asking.ask(POST, patient());
    const late = asking.ask(GET, patient());
    await until(() => held.length === 1);
    renew({ ca, ...own });
    for (let i = 0; i < 2; i += 1) await asking.ask(POST, patient());
    held[0]?.socket.write(okAnswer("late"));
    expect(`${(await late).body}`).toBe("late");
    const shown = server.requests.map(({ socket }) => (socket as TLSSocket).getPeerCertificate().subject?.CN);
    expect(shown).toEqual(["client", "client", "server", "server"]);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2, 2]);
    // the old one is gone
    await until(() => server.open === 1);
    // what is not to be trusted any longer is not
    renew({ ca: stranger.ca });
    expect((await faultOf(asking.ask(POST, patient()))).code).toBe("unavailable");
    await asking.close();
    expect(isFollowed).toBe(false);
  });

  it("goes to the address that it was given, and checks and says the name that the URL has", async () => {
    const names: unknown[] = [];
    const server = await secureServer({
      SNICallback(name, done) {
        names.push(name);
        done(null);
      },
    });
    const at = (name: string) => new URL(`https://${name}:${server.port}`);
    const asked = (name: string) => {
      const asking = testClient({ url: at(name) }, { tls: { ca }, address: "127.0.0.1" });
      closing.push(() => asking.close());
      return asking.ask(POST, patient());
    };
    expect(`${(await asked("backend.test")).body}`).toBe("secret");
    expect((await faultOf(asked("elsewhere.test"))).message).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
    expect(names).toEqual(["backend.test", "elsewhere.test"]);
    expect(server.requests.map(({ headers }) => headers.get("host"))).toEqual([`backend.test:${server.port}`]);
  });

  it("trusts the authority that it was given, over one connection", async () => {
    const server = await secureServer();
    const asking = client(server.url, { tls: { ca } });
    for (let i = 0; i < 3; i += 1) expect(`${(await asking.ask(POST, patient())).body}`).toBe("secret");
    expect(server.connections).toBe(1);
  });

  it.each<[string, ClientTls | undefined, RegExp]>([
    ["the system does not know its authority", undefined, /TLS handshake .* \((UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/],
    ["another authority is trusted", { ca: stranger?.ca }, /TLS handshake .* \(UNABLE_TO/],
    ["its name is another", { ca, serverName: "elsewhere.test" }, /TLS handshake .* \(ERR_TLS_CERT_ALTNAME_INVALID\)/],
  ])("is unavailable when %s", async (_, tls, message) => {
    const server = await secureServer();
    const fault = await faultOf(client(server.url, tls === undefined ? {} : { tls }).ask(GET, patient()));
    expect([fault.code, fault.origin, fault.retryable]).toEqual(["unavailable", "backend", "elsewhere"]);
    expect(fault.message).toMatch(message);
    expect(server.requests).toHaveLength(0);
  });

  it("takes the name that it was told, and any certificate when it was told so", async () => {
    const server = await secureServer();
    for (const tls of [{ ca, serverName: "backend.test" }, { insecure: true }]) {
      expect(`${(await client(server.url, { tls }).ask(GET, patient())).body}`).toBe("secret");
    }
  });

  it("shows its own certificate to a server that asks for one", async () => {
    const server = await secureServer({ ca, requestCert: true, rejectUnauthorized: true });
    expect(`${(await client(server.url, { tls: { ca, ...ours } }).ask(GET, patient())).body}`).toBe("secret");
  });

  it.each([
    ["none", {}],
    ["one that the server does not trust", { cert: stranger?.cert, key: stranger?.key }],
  ])("is unavailable to a server that asks for a certificate, with %s", async (_, shown) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const server = await secureServer({ ca, requestCert: true, rejectUnauthorized: true, maxVersion });
      const fault = await faultOf(client(server.url, { tls: { ca, ...shown } }).ask(GET, patient()));
      expect([fault.code, fault.origin]).toEqual(["unavailable", "backend"]);
      expect(server.requests).toHaveLength(0);
    }
  });

  it("goes through a proxy's tunnel, which sees only where to", async () => {
    const server = await secureServer();
    const proxy = await testProxy("user:p@ss");
    closing.push(() => proxy.close());
    const variables = { https_proxy: `http://user:p%40ss@127.0.0.1:${proxy.port}` };
    const asking = client(server.url, { tls: { ca }, proxy: variables });
    for (let i = 0; i < 2; i += 1) expect(`${(await asking.ask(GET, patient())).body}`).toBe("secret");
    expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${server.port}`]);
    expect(server.requests[0]?.headers.has("proxy-authorization")).toBe(false);
  });

  it("is unavailable when the proxy refuses", async () => {
    const server = await secureServer();
    const proxy = await testProxy("user:pass");
    closing.push(() => proxy.close());
    const asking = client(server.url, { tls: { ca }, proxy: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` } });
    const fault = await faultOf(asking.ask(GET, patient()));
    expect([fault.code, fault.message]).toEqual([
      "unavailable",
      "the proxy refused to connect to the backend (HTTP 407)",
    ]);
  });
});

describe("a proxy for plain HTTP", () => {
  it("is asked with the whole URL, and for its password", async () => {
    const server = await plainServer();
    const proxy = await testProxy("user:pass");
    closing.push(() => proxy.close());
    const variables = { http_proxy: `http://user:pass@127.0.0.1:${proxy.port}` };
    const asking = client(new URL("/base", server.url), { proxy: variables });
    expect(`${(await asking.ask(POST, patient())).body}`).toBe("plain");
    expect(proxy.asked).toEqual([`POST http://127.0.0.1:${server.port}/base/v2/models/m/infer`]);
    expect(server.requests[0]?.headers.get("host")).toBe(`127.0.0.1:${server.port}`);
  });

  it("is passed by for hosts that no_proxy names", async () => {
    const server = await plainServer();
    const asking = client(server.url, { proxy: { http_proxy: "http://127.0.0.1:1", no_proxy: "127.0.0.1" } });
    expect(`${(await asking.ask(GET, patient())).body}`).toBe("plain");
  });

  it("that nobody runs is an unavailable backend", async () => {
    const server = await plainServer();
    const fault = await faultOf(client(server.url, { proxy: { http_proxy: "127.0.0.1:1" } }).ask(GET, patient()));
    expect(fault.code).toBe("unavailable");
  });
});

import { describe, expect, it } from "vitest";
import { proxyCredentials, proxyFor } from "../../../backends/proxy.ts";

const HTTP = new URL("http://triton.ml.example.com:8000");
const HTTPS = new URL("https://triton.ml.example.com");

describe("the proxy for a server", () => {
  it.each([
    [{}, HTTP, undefined],
    [{ http_proxy: "http://p:3128" }, HTTP, "http://p:3128/"],
    [{ http_proxy: "http://p:3128" }, HTTPS, undefined],
    [{ https_proxy: "http://p:3128" }, HTTPS, "http://p:3128/"],
    [{ HTTPS_PROXY: "https://p" }, HTTPS, "https://p/"],
    [{ HTTP_PROXY: "http://big", http_proxy: "http://small" }, HTTP, "http://small/"],
    [{ all_proxy: "p:80" }, HTTP, "http://p/"],
    [{ ALL_PROXY: "http://p:1" }, HTTPS, "http://p:1/"],
    [{ http_proxy: "" }, HTTP, undefined],
  ])("is found in %j for %s", (environment, url, expected) => {
    expect(proxyFor(url, environment)?.href).toBe(expected);
  });

  it.each([
    ["*", true],
    ["triton.ml.example.com", true],
    ["TRITON.ml.example.com", true],
    ["example.com", true],
    [".example.com", true],
    ["*.example.com", true],
    ["a.b, ml.example.com other", true],
    ["triton.ml.example.com:8000", true],
    ["triton.ml.example.com:8001", false],
    ["ample.com", false],
    ["com.example", false],
    ["", false],
    [" , ", false],
    [".", false],
  ])("is passed by for no_proxy %j: %s", (list, isDirect) => {
    const found = proxyFor(HTTP, { http_proxy: "http://p", NO_PROXY: list });
    expect(found === undefined).toBe(isDirect);
  });

  it.each([
    ["http://[::1]:8000", "::1", true],
    ["http://[::1]:8000", "[::1]", true],
    ["http://[::1]:8000", "[::1]:8000", true],
    ["http://[::1]:8000", "[::1]:9000", false],
    ["http://10.0.0.7", "10.0.0.7:80", true],
    ["https://10.0.0.7", "10.0.0.7:80", false],
    ["https://10.0.0.7", "10.0.0.7:443", true],
    ["http://110.0.0.7", "10.0.0.7", false],
  ])("is passed by for the address in %s with no_proxy %j: %s", (url, list, isDirect) => {
    const found = proxyFor(new URL(url), { all_proxy: "http://p", no_proxy: list });
    expect(found === undefined).toBe(isDirect);
  });

  it("must be an HTTP proxy", () => {
    expect(() => proxyFor(HTTP, { http_proxy: "socks5://p:1080" })).toThrow(
      "http_proxy: expected an http or https URL",
    );
    expect(() => proxyFor(HTTPS, { https_proxy: "http://" })).toThrow("https_proxy: expected");
  });

  it("has its password decoded", () => {
    expect(proxyCredentials(new URL("http://a%40b:c%3Ad@p"))).toBe("a@b:c:d");
    expect(proxyCredentials(new URL("http://p"))).toBeUndefined();
  });
});

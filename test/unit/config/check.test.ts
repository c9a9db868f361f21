import { describe, expect, it } from "vitest";
import { checkListen, isLoopback } from "../../../config/check.ts";
import { formatAddress, parseAddress } from "../../../config/words.ts";
import { BACKEND, mistakesIn } from "./kinds.ts";

describe("listeners", () => {
  it.each([
    ["{http: 127.0.0.1:9000, admin: 127.0.0.1:9000}", "127.0.0.1:9000"],
    ["{http: 0.0.0.0:9000, admin: 127.0.0.1:9000}", "127.0.0.1:9000"],
    ["{http: '[::]:9000', admin: 127.0.0.1:9000}", "127.0.0.1:9000"],
    ["{http: localhost:9000, admin: 127.0.0.1:9000}", "127.0.0.1:9000"],
    ["{http: '[::1]:9000', admin: '[::1]:9000'}", "[::1]:9000"],
    ["{http: 0.0.0.0:8002}", "127.0.0.1:8002"],
  ])("cannot share an address: %s", (listen, address) => {
    expect(mistakesIn(`${BACKEND}listen: ${listen}`)).toEqual([
      `listen.admin: expected an address of its own, got ${address}, where listen.http listens (f.yaml:2)`,
    ]);
  });

  it.each([
    "{http: 127.0.0.1:0, admin: 127.0.0.1:0}",
    "{http: 127.0.0.1:9000, admin: '[::1]:9000'}",
    "{http: 0.0.0.0:9000, admin: 127.0.0.1:9001}",
  ])("may stand side by side: %s", (listen) => {
    expect(mistakesIn(`${BACKEND}listen: ${listen}`)).toEqual([]);
  });

  it("cannot offer the admin port to other machines without a token", () => {
    expect(mistakesIn(`${BACKEND}listen: {admin: 0.0.0.0:8002}`)).toEqual([
      "listen.admin: expected a loopback address such as 127.0.0.1:8002, got 0.0.0.0:8002: off loopback the admin listener needs a token (admin.token) (f.yaml:2)",
    ]);
    expect(checkListen({ admin: { host: "example.com", port: 1 } })).toHaveLength(1);
    const token = "admin: {token: 0123456789abcdef}";
    expect(mistakesIn(`${BACKEND}${token}\nlisten: {admin: 0.0.0.0:8002}`)).toEqual([]);
    expect(mistakesIn(`${BACKEND}admin: {token: short}\nlisten: {admin: 0.0.0.0:8002}`)).toContain(
      "admin.token: expected a token of at least 16 signs (f.yaml:2)",
    );
  });

  it("know the loopback addresses", () => {
    expect(["127.0.0.1", "127.1.2.3", "::1", "localhost"].map(isLoopback)).toEqual([true, true, true, true]);
    expect(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.nip.io", "localhost.example"].map(isLoopback)).not.toContain(true);
  });
});

describe("an address", () => {
  it.each(["127.0.0.1:8000", "localhost:0", "[::1]:65535", "[fe80::1]:1", "my-host.example:80"])(
    "%s is one",
    (text) => {
      const address = parseAddress(text);
      expect(address && formatAddress(address)).toBe(text);
    },
  );

  it.each([
    "",
    ":8000",
    "8000",
    "h:",
    "h:65536",
    "h:-1",
    "h:1x",
    "::1:80",
    "[nope]:1",
    "http://h:1",
    "h:1/",
    "-h:1",
    "h h:1",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("names", () => {
  it.each([
    ['""', 'models[""]: expected a name that is not empty'],
    ['"a/b"', 'models["a/b"]: expected a name without a slash, got "a/b"'],
    ['"a\\\\b"', 'models["a\\\\b"]: expected a name without a slash, got "a\\\\b"'],
    ['"a\\nb"', 'models["a\\nb"]: expected a name without control characters, got "a\\nb"'],
    ['"a\\0"', 'models["a\\u0000"]: expected a name without control characters, got "a\\u0000"'],
    ['".."', 'models[".."]: expected a name that is no folder, got ".."'],
    ['" a"', 'models[" a"]: expected a name without spaces around it, got " a"'],
  ])("of models cannot be %s", (name, message) => {
    expect(mistakesIn(`${BACKEND}models: {${name}: {backend: local}}`)).toEqual([`${message} (f.yaml:2)`]);
  });

  it.each(["digits", "a.b", "模型", "a b", "toString", "1"])("of models can be %s", (name) => {
    expect(mistakesIn(`${BACKEND}models: {${JSON.stringify(name)}: {backend: local}}`)).toEqual([]);
  });

  it("of backends follow the same rules", () => {
    expect(mistakesIn("backends: {a/b: {kind: onnx, repository: m}}")).toEqual([
      'backends["a/b"]: expected a name without a slash, got "a/b" (f.yaml:1)',
    ]);
  });
});

describe("references between words", () => {
  it("lead to a backend that exists", () => {
    expect(mistakesIn(`${BACKEND}models: {a: {backend: lokal}, b: {backend: toString}}`)).toEqual([
      'models.a.backend: expected the name of a backend (local), got "lokal", did you mean "local"? (f.yaml:2)',
      'models.b.backend: expected the name of a backend (local), got "toString" (f.yaml:2)',
    ]);
  });

  it("lead to a backend whose own words are wrong without a second mistake", () => {
    expect(mistakesIn("backends: {b: {kind: onnx}}\nmodels: {m: {backend: b}}")).toEqual([
      "backends.b.repository: expected text, got nothing (f.yaml:1)",
    ]);
  });

  it("are checked though other words are wrong", () => {
    expect(
      mistakesIn(`${BACKEND}timeout: x\nlisten: {http: 5, admin: 1.2.3.4:5}\nmodels: {a: {backend: x}, b: {}}`),
    ).toEqual([
      'timeout: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got "x" (f.yaml:2)',
      "listen.http: expected host:port such as 127.0.0.1:8000 or [::1]:8000, got 5 (f.yaml:3)",
      "listen.admin: expected a loopback address such as 127.0.0.1:5, got 1.2.3.4:5: off loopback the admin listener needs a token (admin.token) (f.yaml:3)",
      'models.a.backend: expected the name of a backend (local), got "x" (f.yaml:4)',
      "models.b.backend: expected the name of a backend, got nothing (f.yaml:4)",
    ]);
  });

  it("need at least one model where models are named at all", () => {
    expect(mistakesIn(`${BACKEND}models: {}`)).toEqual([
      "models: expected at least one model, got none (leave the word out to serve every model of every backend) (f.yaml:2)",
    ]);
  });

  it("hold the bytes in flight to at least one body, and one message where gRPC is spoken", () => {
    expect(mistakesIn(`${BACKEND}limits: {body: 1MiB, inFlight: 1MiB}`)).toEqual([]);
    const grpc = "listen: {grpc: '127.0.0.1:0'}\n";
    expect(mistakesIn(`${BACKEND}${grpc}limits: {body: 1MiB, message: 2MiB, inFlight: 1MiB}`)).toEqual([
      "limits.inFlight: expected at least limits.message (2MiB), or no message of that size could ever enter, got 1MiB (f.yaml:3)",
    ]);
    expect(mistakesIn(`${BACKEND}limits: {body: 2MiB, inFlight: 1MiB}`)).toEqual([
      "limits.inFlight: expected at least limits.body (2MiB), or no body of that size could ever enter, got 1MiB (f.yaml:2)",
    ]);
  });
});

// The kind `torchserve` over HTTP. Answers are those of TorchServe 0.12, as it was run.

import { describe, expect, it } from "vitest";
import type { HttpDoor } from "../../../../backends/connection.ts";
import { managementUrl } from "../../../../backends/torchserve/management.ts";
import { torchServeServer, torchserve } from "../../../../backends/torchserve.ts";
import { opaqueTensor } from "../../../../wire/opaque.ts";
import { plain } from "../../../property/wire/bodies.ts";
import {
  ask,
  connectKind,
  faultOf,
  faultsOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  type Played,
  partsOf,
  someCall,
} from "../../../support/kind-door.ts";

const tested = { kind: torchserve, server: torchServeServer };
const signal = new AbortController().signal;
const x = numbers("x", "FP32", [1, 2], [1.5, 2]);
const jpeg = opaqueTensor("image", Uint8Array.of(0xff, 0xd8), { contentType: "image/jpeg" });
const SIGNATURE = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
} as const;
const DOUBLED = '{\n  "predictions": [\n    [\n      3.0,\n      4\n    ]\n  ]\n}';
const y = numbers("y", "FP32", [1, 2], [3, 4]);

interface How {
  readonly words?: object;
  readonly signature?: typeof SIGNATURE;
}

const infer = async (answer: Played, request = ask("rows", [x]), { words = {}, ...told }: How = {}) => {
  // TorchServe says no content type unless the handler does
  const door = kindDoor(() => ({ headers: {}, ...answer }), told);
  const reply = connectKind(tested, words, door).infer(request, someCall());
  await reply.catch(() => {});
  return { reply, asked: door.asks[0] };
};

describe("a question to TorchServe", () => {
  it("goes as JSON instances to the model's default version, its answer read by the declared signature", async () => {
    const { reply, asked } = await infer({ body: DOUBLED }, ask("rows", [x]), { signature: SIGNATURE });
    expect(asked).toMatchObject({
      method: "POST",
      path: "/predictions/rows",
      headers: { "Content-Type": "application/json", traceparent: "00-1-2-01" },
      body: '{"instances":[[1.5,2.0]]}',
    });
    expect(plain(outputsOf(await reply))).toEqual(plain([y]));
    expect(await reply).toMatchObject({ model: { name: "rows", version: "1" } });
  });

  it("names a version that the config or the management port tells, and never the one that was made up", async () => {
    const version = (version: string) => ({ model: { name: "a b", select: { by: "version", version } } }) as const;
    const made = await infer({}, ask("a b", [x], version("1")));
    expect(made.asked?.path).toBe("/predictions/a%20b");
    const told = await infer({}, ask("a b", [x], version("1")), {
      words: { models: { "a b": { versions: ["1", "2.0"] } } },
    });
    expect(told.asked?.path).toBe("/predictions/a%20b/1");
    expect(await told.reply).toMatchObject({ model: { version: "1" } });
  });

  it("sends payloads as they are where nothing is said: one as the body, several as a form", async () => {
    const raw = await infer({ body: "abc", headers: { "content-type": "image/x-echo" } }, ask("raw", [jpeg]));
    expect(raw.asked?.headers["Content-Type"]).toBe("image/jpeg");
    expect(raw.asked?.bytes).toEqual(Buffer.from([0xff, 0xd8]));
    expect(plain(outputsOf(await raw.reply))).toEqual(
      plain([opaqueTensor("body", Buffer.from("abc"), { contentType: "image/x-echo" })]),
    );
    const form = await infer({ body: "{}" }, ask("raw", [jpeg, { ...jpeg, name: "mask" }]));
    expect(form.asked?.headers["Content-Type"]).toMatch(/^multipart\/form-data; boundary=[A-Za-z0-9]{32}$/);
    expect(form.asked?.body).toContain('name="mask"');
  });

  it("takes the format and the kind of answer that the config says", async () => {
    const words = { models: { rows: { format: "json", answer: "opaque" } } };
    const { reply, asked } = await infer({ body: DOUBLED }, ask("rows", [x]), { words, signature: SIGNATURE });
    expect(asked?.body).toBe("[[1.5,2.0]]");
    expect(outputsOf(await reply)).toMatchObject([{ name: "y", datatype: "BYTES" }]);
  });

  it("casts the doubles of the kserve-v2 envelope to the declared datatypes", async () => {
    const words = { models: { rows: { format: "kserve-v2" } } };
    const body =
      '{"id":"1","model_name":"rows","model_version":"1.0","outputs":[{"name":"x","datatype":"FP64","data":[3.0,4.0],"shape":[2]}]}';
    const { reply } = await infer({ body }, ask("rows", [x]), { words, signature: SIGNATURE });
    expect(plain(outputsOf(await reply))).toEqual(plain([y]));
    const large = await infer({ body: body.replace("3.0", "1e300") }, ask("rows", [x]), {
      words,
      signature: SIGNATURE,
    });
    expect(await faultOf(large.reply)).toEqual([
      "bad-backend",
      "backend",
      "elsewhere",
      'output "y": element 0 is 1e+300, which is no FP32',
    ]);
  });

  it("shows its key unless the config sends another", async () => {
    const { asked } = await infer({}, ask("rows", [x]), { words: { token: "k1" } });
    expect(asked?.headers.authorization).toBe("Bearer k1");
  });

  it("for an explanation goes to explanations and gives whatever comes", async () => {
    const request = ask("rows", [x], { task: "explain" });
    const { reply, asked } = await infer({ body: "[1]" }, request, { signature: SIGNATURE });
    expect(asked?.path).toBe("/explanations/rows");
    expect(outputsOf(await reply)).toMatchObject([{ name: "body", datatype: "BYTES" }]);
  });

  it("is refused without being sent: other tasks and labels", async () => {
    const label = { model: { name: "rows", select: { by: "label", label: "next" } } } as const;
    for (const request of [ask("rows", [x], { task: "regress" }), ask("rows", [x], label)]) {
      const { reply, asked } = await infer({ body: DOUBLED }, request);
      expect((await faultOf(reply))[0]).toBe("unsupported");
      expect(asked).toBeUndefined();
    }
  });
});

describe("a stream of TorchServe", () => {
  const streamed = { headers: { ts_stream_next: "true" }, body: ["part0 ", "part1 ", "last"] };
  const request = ask("stream", [x], { stream: true });

  it("comes part by part, each a payload", async () => {
    const parts = await partsOf(await (await infer(streamed, request)).reply);
    expect(parts.map(({ outputs }) => Buffer.from(outputs[0]!.data.subarray(4)).toString())).toEqual([
      "part0 ",
      "part1 ",
      "last",
    ]);
    expect(parts[0]).toMatchObject({ model: { name: "stream" }, outputs: [{ name: "body", shape: [1] }] });
  });

  it("is one whole answer where the handler does not stream, and where the caller cannot take one", async () => {
    const whole = await infer({ body: [DOUBLED.slice(0, 9), DOUBLED.slice(9)] }, request, { signature: SIGNATURE });
    expect(plain(outputsOf(await whole.reply))).toEqual(plain([y]));
    const joined = await infer(streamed, ask("stream", [x]));
    expect(Buffer.from(outputsOf(await joined.reply)[0]!.data.subarray(4)).toString()).toBe("part0 part1 last");
  });

  it("that begins with a fault is that fault", async () => {
    const body = '{"code": 503,"type": "InternalServerException","message": "Prediction failed"}';
    expect((await faultOf((await infer({ status: 503, body }, request)).reply)).slice(0, 3)).toEqual([
      "bad-backend",
      "backend",
      "no",
    ]);
  });

  it("that is no stream and too large is refused", async () => {
    const words = { limits: { answer: "8B" } };
    const [code, , , message] = await faultOf((await infer({ body: "123456789" }, request, { words })).reply);
    expect([code, message?.includes("8")]).toEqual(["bad-backend", true]);
  });
});

describe("a TorchServe", () => {
  const described = (version: string, ...statuses: readonly string[]) => ({
    modelName: "digits",
    modelVersion: version,
    workers: statuses.map((status) => ({ id: "9000", status })),
  });
  const MISSING = '{"code": 404,"type": "ModelNotFoundException","message": "Model not found: nobody"}';
  const server: Play = ({ method, path }) => {
    if (path === "/ping") return { body: '{\n  "status": "Healthy"\n}\n' };
    if (method === "OPTIONS") return { body: '{"openapi":"3.0.1","info":{"version":"0.12.0"}}' };
    if (path === "/models?limit=100")
      return { body: '{"nextPageToken":"1","models":[{"modelName":"digits","modelUrl":"d.mar"}]}' };
    if (path === "/models?limit=100&next_page_token=1")
      return { body: '{"models":[{"modelName":"idle","modelUrl":"i.mar"}]}' };
    if (path === "/models/digits/all") {
      return { body: JSON.stringify([described("10.0", "READY", "LOADING"), described("2.0", "LOADING")]) };
    }
    if (path === "/models/idle/all") return { body: JSON.stringify([described("1.0")]) };
    if (method === "PUT") return { body: '{"status":"Workers scaled"}' };
    return { status: 404, body: MISSING };
  };

  it("tells its version once, and again after it was lost", async () => {
    let healthy = true;
    const door = kindDoor((asked) => (healthy ? server(asked) : { status: 500, body: '{"status":"Unhealthy"}' }));
    const connection = connectKind(tested, {}, door);
    expect(await connection.health(signal)).toBe("torchserve 0.12.0");
    expect(await connection.health(signal)).toBe("torchserve 0.12.0");
    healthy = false;
    expect((await faultOf(connection.health(signal)))[0]).toBe("unavailable");
    healthy = true;
    expect(await connection.health(signal)).toBe("torchserve 0.12.0");
    expect(door.asks.map(({ method }) => method).join(" ")).toBe("GET OPTIONS GET GET GET OPTIONS");
  });

  it("that refuses its key is not ready by the gateway's fault of configuration", async () => {
    const body = '{"code": 400,"type": "InvalidKeyException","message": "Token Authorization failed."}';
    const connection = connectKind(
      tested,
      {},
      kindDoor(() => ({ status: 400, body })),
    );
    expect((await faultOf(connection.health(signal)))[0]).toBe("bad-backend");
  });

  it("without its management port has the models that somebody names, in the versions that the config tells", async () => {
    const connection = connectKind(tested, { models: { a: { versions: ["1.0", "2.0"] } } }, kindDoor(server));
    expect(await connection.models(["b", "a"], signal)).toEqual([
      { name: "a", version: "1.0", state: "ready" },
      { name: "a", version: "2.0", state: "ready" },
      { name: "b", version: "1", state: "ready" },
    ]);
    expect(connection.control).toBeUndefined();
    expect((await faultOf(connection.metadata({ name: "a" }, signal)))[0]).toBe("unsupported");
  });

  const managed = () => {
    const urls: (string | undefined)[] = [];
    const door = kindDoor(server);
    const http = (options: HttpDoor = {}) => {
      urls.push(options.url?.href);
      return door.http(options);
    };
    const words = { management: 8081, managementToken: "m1", token: "k1" };
    return { door, urls, connection: connectKind(tested, words, { ...door, http }) };
  };

  it("tells on its management port which versions have a ready worker", async () => {
    const { door, urls, connection } = managed();
    expect(urls).toEqual(["http://server:8081/", undefined]);
    expect(await connection.models(["nobody", "digits"], signal)).toEqual([
      { name: "digits", version: "2.0", state: "loading", reason: "workers LOADING" },
      { name: "digits", version: "10.0", state: "ready" },
      { name: "idle", version: "1.0", state: "unavailable", reason: "no workers" },
    ]);
    expect(new Set(door.asks.map(({ headers }) => headers.authorization))).toEqual(new Set(["Bearer m1"]));
    const version = { model: { name: "digits", select: { by: "version", version: "10.0" } } } as const;
    await connection.infer(ask("digits", [x], version), someCall()).catch(() => {});
    expect(door.asks.at(-1)).toMatchObject({
      path: "/predictions/digits/10.0",
      headers: { authorization: "Bearer k1" },
    });
  });

  it("loads and unloads a model by scaling the workers of its versions", async () => {
    const { door, connection } = managed();
    await connection.control?.load?.("digits", signal);
    await connection.control?.unload?.("digits", signal);
    expect((await faultOf(Promise.resolve(connection.control?.unload?.("nobody", signal))))[0]).toBe("not-found");
    expect(door.asks.flatMap(({ method, path }) => (method === "PUT" ? [path] : []))).toEqual([
      "/models/digits/2.0?min_worker=1&synchronous=true",
      "/models/digits/10.0?min_worker=1&synchronous=true",
      "/models/digits/2.0?min_worker=0&max_worker=0&synchronous=true",
      "/models/digits/10.0?min_worker=0&max_worker=0&synchronous=true",
    ]);
    expect((await faultOf(Promise.resolve(connection.control?.load?.("nobody", signal))))[0]).toBe("not-found");
    expect(door.asks.at(-1)?.path).toBe("/models?url=nobody.mar&model_name=nobody&initial_workers=1&synchronous=true");
  });

  it("has its management port on the host of each endpoint, or where a URL says", () => {
    expect(managementUrl(8081, new URL("http://ts:8080/prefix")).href).toBe("http://ts:8081/");
    expect(managementUrl("https://admin:9000/ts", new URL("http://ts:8080")).href).toBe("https://admin:9000/ts");
  });

  it("has words of its own, and no others", () => {
    const words = { protocol: "grpc", management: "http://ts:8081", models: { m: { format: "raw", answer: "json" } } };
    expect(faultsOf(tested, words)).toEqual([]);
    expect(faultsOf(tested, { management: "8081" })[0]).toContain("expected a port such as 8081");
    expect(faultsOf(tested, { models: { m: { format: "csv" } } })[0]).toContain("models.m.format");
  });
});

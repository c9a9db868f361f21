// The same curl commands at the real TorchServe 0.12 and at a gateway in front of it: nobody can tell the answers apart.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startTorchServe, type TorchServe } from "./servers/torchserve.ts";
import { workFolder } from "./support/server.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing } from "./support/venv.ts";

const run = promisify(execFile);

interface Both {
  readonly torchserve: TorchServe;
  readonly gateway: TestGateway;
  readonly folder: string;
  close(): Promise<void>;
}

async function startBoth(): Promise<Both | Missing> {
  const torchserve = await startTorchServe({ models: ["digits", "echo", "faulty", "stream"] });
  if (isMissing(torchserve)) return torchserve;
  const folder = await workFolder("torchserve-curl");
  await writeFile(
    join(folder.path, "rows.json"),
    JSON.stringify({ instances: [[new Array(8).fill(new Array(8).fill(0))]] }),
  );
  await writeFile(join(folder.path, "bytes.bin"), Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  const gateway = await startGateway({
    yaml: `backends: {ts: {kind: torchserve, endpoints: ["127.0.0.1:${torchserve.http}"], management: ${torchserve.management}}}`,
    kinds: backendKinds,
  });
  const close = async () => {
    await gateway.close();
    await torchserve.close();
    await folder.remove();
  };
  return { torchserve, gateway, folder: folder.path, close };
}

interface Curled {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function curl(port: number, folder: string, words: readonly string[]): Promise<Curled> {
  const [path = "", ...options] = words;
  const url = `http://127.0.0.1:${port}${path}`;
  const args = ["-s", "-S", "-i", "--max-time", "30", "-H", "Expect:", ...options, url];
  const { stdout } = await run("curl", args, { cwd: folder, encoding: "latin1" });
  const end = stdout.indexOf("\r\n\r\n");
  const [first = "", ...lines] = stdout.slice(0, end).split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers), body: stdout.slice(end + 4) };
}

/** What a client could read of an answer. */
const readable = ({ status, headers, body }: Curled) => ({
  status,
  type: headers["content-type"]?.replace(/; ?charset=.*$/i, "").toLowerCase(),
  streams: headers.ts_stream_next,
  cache: [headers.pragma, headers["cache-control"], headers.expires],
  body,
});

const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ["/ping"],
  ["/predictions/digits/1.0", "-T", "rows.json"],
  ["/predictions/digits/1.0", "-H", "Content-Type: application/json", "-d", "@rows.json"],
  ["/predictions/digits/2.0", "-H", "Content-Type: application/json", "-d", "@rows.json"],
  ["/predictions/echo", "-H", "Content-Type: image/png", "--data-binary", "@bytes.bin"],
  ["/predictions/echo", "-H", "Content-Type: text/plain; charset=utf-8", "--data-binary", "hé"],
  ["/predictions/echo", "-F", "data=@bytes.bin"],
  ["/predictions/echo", "-F", "data=@bytes.bin", "-F", "more=x"],
  ["/predictions/echo", "-d", "data=abc&more=x%20y"],
  ["/predictions/stream", "-H", "Content-Type: application/json", "-d", '{"count": 3}'],
  ["/predictions/nobody", "-d", "x=1"],
  ["/predictions/digits/9.9", "-d", "x=1"],
];

realServer("torchserve", startBoth, (both) => {
  it.each(COMMANDS.map((words) => [words.join(" "), words] as const))("curl %s", async (_, words) => {
    const { torchserve, gateway, folder } = both();
    const theirs = await curl(torchserve.http, folder, words);
    const ours = await curl(gateway.port, folder, words);
    expect(readable(ours)).toEqual(readable(theirs));
    expect(ours.headers["x-request-id"]).toMatch(/\S/);
  });

  it.each([
    ["a fault of the handler", ["/predictions/faulty", "-H", "Content-Type: application/json", "-d", '{"what": "x"}']],
    ["an unknown path", ["/predictions/"]],
  ])("tells %s with the same status and class", async (_, words) => {
    const { torchserve, gateway, folder } = both();
    const theirs = await curl(torchserve.http, folder, words);
    const ours = await curl(gateway.port, folder, words);
    const classOf = ({ status, body }: Curled) => [status, (JSON.parse(body) as { readonly type: string }).type];
    expect(classOf(ours)).toEqual(classOf(theirs));
  });

  it("describes models as the management port does, as far as clients read it", async () => {
    const { torchserve, gateway, folder } = both();
    const read = async (port: number) => {
      const { body } = await curl(port, folder, ["/models/digits/all"]);
      return (JSON.parse(body) as { modelName: string; modelVersion: string; workers: { status: string }[] }[])
        .map(({ modelName, modelVersion, workers }) => [modelName, modelVersion, workers[0]?.status])
        .sort();
    };
    expect(await read(gateway.port)).toEqual(await read(torchserve.management));
    const names = async (port: number) => {
      const { body } = await curl(port, folder, ["/models?limit=100"]);
      return (JSON.parse(body) as { models: { modelName: string }[] }).models.map(({ modelName }) => modelName).sort();
    };
    expect(await names(gateway.port)).toEqual(await names(torchserve.management));
  });
});

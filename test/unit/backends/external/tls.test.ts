import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LiveTls, openTls } from "../../../../backends/external/tls.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { until } from "../../../support/http-client.ts";
import { makeCerts } from "../../../support/upstream-certs.ts";

const certs = makeCerts();

describe.skipIf(certs === undefined)("the files of tls (needs openssl)", () => {
  const { ca, server, client, stranger } = certs ?? ({} as NonNullable<typeof certs>);
  let folder: string;
  let env: ReturnType<typeof fakeEnv>;
  let tls: LiveTls;
  let watched: { readonly root: string; readonly changed: () => void; stopped: boolean }[];
  let renewed: number;

  const put = (files: Readonly<Record<string, Buffer | string>>) => {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    for (const { changed } of watched) changed();
  };
  /** Lets the pause pass, and what is read then be read. */
  const settled = async (message?: string) => {
    const before = env.lines.length;
    env.clock.advance(100);
    if (message === undefined) {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      await tls.close();
      expect(env.lines).toHaveLength(before);
      return;
    }
    await until(() => env.lines.length > before);
    expect(env.lines.slice(before).map((line) => line.message)).toEqual([message]);
  };
  const NEW = "files of tls have changed: new connections use them";
  const BAD = "files of tls have changed and cannot be used; those in force stay";

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
    env = fakeEnv();
    watched = [];
    renewed = 0;
    put({ "ca.pem": ca, "tls.crt": client.cert, "tls.key": client.key });
    const words = { ca: "ca.pem", cert: "tls.crt", key: "tls.key", serverName: "backend.test" };
    const opened = await openTls(words, {
      ...{ backend: "b", env, baseDir: folder },
      watch(root, { changed }) {
        const one = { root, changed, stopped: false };
        watched.push(one);
        return async () => {
          one.stopped = true;
        };
      },
    });
    tls = opened as LiveTls;
    tls.onChange(() => {
      renewed += 1;
    });
  });
  afterEach(async () => {
    await tls.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("are in force as they are, and their folder is watched once until the end", async () => {
    expect(tls.now).toEqual({ ca, ...client, serverName: "backend.test" });
    expect(watched.map(({ root }) => root)).toEqual([folder]);
    await tls.close();
    expect(watched[0]?.stopped).toBe(true);
  });

  test("are in force a pause after they have been replaced, both together", async () => {
    put({ "tls.crt": server.cert });
    env.clock.advance(50);
    // between the two the key is another certificate's, which nobody sees
    put({ "tls.key": server.key });
    await settled(NEW);
    expect([tls.now.cert, tls.now.key, renewed]).toEqual([server.cert, server.key, 1]);
  });

  test.each([
    ["a key of another certificate", () => ({ "tls.key": stranger.key }), /key values mismatch/i],
    ["what is no certificate", () => ({ "tls.crt": "hello" }), /PEM|no start line/i],
    ["an authority that is none", () => ({ "ca.pem": "hello" }), /ca: expected certificates/],
    ["half of a file", () => ({ "ca.pem": stranger.ca.subarray(0, 200) }), /PEM|bad end line|bad base64|too long/i],
  ] as const)("stay as they were in the place of %s, which is said", async (_, files, reason) => {
    put(files());
    await settled(BAD);
    expect(JSON.stringify(env.lines.at(-1)?.fields)).toMatch(reason);
    expect(tls.now).toEqual({ ca, ...client, serverName: "backend.test" });
    expect(renewed).toBe(0);
    // and are replaced by good ones later
    put({ "ca.pem": stranger.ca, "tls.crt": stranger.cert, "tls.key": stranger.key });
    await settled(NEW);
    expect([tls.now.ca, renewed]).toEqual([stranger.ca, 1]);
  });

  test("stay as they were when one is gone", async () => {
    rmSync(join(folder, "ca.pem"));
    put({});
    await settled(BAD);
    expect(JSON.stringify(env.lines.at(-1)?.fields)).toContain("tls.ca: no file can be read");
    expect([tls.now.ca, renewed]).toEqual([ca, 0]);
  });

  test("are not new when they hold the same", async () => {
    put({ "ca.pem": ca });
    await settled();
    expect(renewed).toBe(0);
  });

  test("are nobody's concern after the end, nor to who has stopped listening", async () => {
    let heard = 0;
    const stop = tls.onChange(() => {
      heard += 1;
    });
    stop();
    put({ "ca.pem": stranger.ca });
    await settled(NEW);
    await tls.close();
    put({ "ca.pem": ca });
    env.clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
    expect([heard, renewed, tls.now.ca]).toEqual([0, 1, stranger.ca]);
  });
});

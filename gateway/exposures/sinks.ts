// Where records of exposures go: a file, the standard output, or a webhook.

import { write } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { openHttpClient } from "../../backends/http-client.ts";
import type { ExposuresConfig } from "../../config/config.ts";
import type { Clock } from "../../core/env.ts";
import type { Sink } from "./queue.ts";

/** @param baseDir the folder that a relative file starts from */
export function openSink(to: ExposuresConfig["to"], baseDir: string, clock: Clock): Sink {
  if (to === "stdout") return stdoutSink(clock);
  return "file" in to ? fileSink(resolve(baseDir, to.file)) : webhookSink(new URL(to.webhook));
}

function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** Opened with the first record, and again after a fault. */
function fileSink(path: string): Sink {
  let file: FileHandle | undefined;
  return {
    async write(lines) {
      file ??= await open(path, "a");
      try {
        await file.appendFile(textOf(lines));
      } catch (error) {
        await file.close().catch(() => {});
        file = undefined;
        throw error;
      }
    },
    close: async () => file?.close(),
  };
}

const writeTo = promisify(write);
const STDOUT = 1;

/** How long a pipe that is full is left alone, in milliseconds. */
const FULL_MS = 50;

/** Off the event loop: a reader who stalls must not hold it, as a write to process.stdout would. */
function stdoutSink(clock: Clock): Sink {
  return {
    async write(lines) {
      const bytes = Buffer.from(textOf(lines));
      let at = 0;
      while (at < bytes.byteLength) {
        try {
          at += (await writeTo(STDOUT, bytes, at)).bytesWritten;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
          // half a line may be out: the rest of it has to follow, however long the reader takes
          await new Promise<void>((resolve) => clock.after(FULL_MS, resolve));
        }
      }
    },
    close: async () => {},
  };
}

/** In milliseconds, for each part of one request. */
const WEBHOOK_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** One POST of JSON Lines a batch; a status of 300 or above is a failure. */
function webhookSink(url: URL): Sink {
  const client = openHttpClient({
    url: new URL(url.origin),
    connections: 1,
    timeouts: { connectMs: WEBHOOK_MS, headersMs: WEBHOOK_MS, bodyMs: WEBHOOK_MS },
    maxAnswerBytes: MAX_ANSWER_BYTES,
  });
  const never = new AbortController().signal;
  return {
    async write(lines) {
      const { status } = await client.ask(
        {
          method: "POST",
          path: `${url.pathname}${url.search}`,
          headers: { "content-type": "application/x-ndjson" },
          body: Buffer.from(textOf(lines)),
        },
        { signal: never },
      );
      if (status >= 300) throw new Error(`the webhook answered ${status}`);
    },
    close: () => client.close(),
  };
}

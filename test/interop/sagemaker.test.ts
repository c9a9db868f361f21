// SageMaker's event streams, read by botocore; its signatures are held to botocore's in test/golden/sagemaker.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { encodeEvent } from "../../wire/sagemaker.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, venv } from "./support/venv.ts";

async function startBoto() {
  const found = await venv("boto3", { packages: [["boto3"]], check: "import boto3, botocore.eventstream" });
  return isMissing(found) ? found : { python: found.python, close: async () => {} };
}

realServer("sagemaker", startBoto, (boto) => {
  it("writes frames that botocore reads, checksums and all", () => {
    const bodies = [
      [
        encodeEvent({ kind: "part", bytes: Buffer.from("hé") }),
        encodeEvent({ kind: "error", type: "ModelStreamError", code: "StreamBroken", message: "gone" }),
      ],
      [encodeEvent({ kind: "part", bytes: new Uint8Array(100_000) })],
    ];
    const input = JSON.stringify(bodies.map((frames) => Buffer.concat(frames).toString("hex")));
    const checks = fileURLToPath(new URL("sagemaker_checks.py", import.meta.url));
    const lines = execFileSync(boto().python, [checks], { input, encoding: "utf8" }).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      [
        [
          { ":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event" },
          Buffer.from("hé").toString("hex"),
        ],
        [
          { ":exception-type": "ModelStreamError", ":content-type": "application/json", ":message-type": "exception" },
          Buffer.from('{"Message":"gone","ErrorCode":"StreamBroken"}').toString("hex"),
        ],
      ],
      [[expect.objectContaining({ ":event-type": "PayloadPart" }), "00".repeat(100_000)]],
    ]);
  });

  it("notices a checksum that is not right", () => {
    const frame = Buffer.from(encodeEvent({ kind: "part", bytes: Buffer.from("abc") }));
    frame[frame.byteLength - 1] = (frame[frame.byteLength - 1] as number) ^ 1;
    const checks = fileURLToPath(new URL("sagemaker_checks.py", import.meta.url));
    const input = JSON.stringify([frame.toString("hex")]);
    expect(() => execFileSync(boto().python, [checks], { input, stdio: "pipe" })).toThrow("Checksum mismatch");
  });
});

// Signatures are compared with those of botocore's own signer for the same requests at the same time (make_signatures.py).

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { hashParts, openSigner } from "../../../backends/sagemaker/sign.ts";
import { runNow } from "../../../wire/sliced.ts";

interface Golden {
  readonly time: string;
  readonly key: readonly [string, string];
  readonly cases: readonly {
    readonly url: string;
    readonly region: string;
    readonly token: string | null;
    readonly body: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly signed: Readonly<Record<string, string>>;
  }[];
}

const golden = JSON.parse(readFileSync(new URL("signatures.json", import.meta.url), "utf8")) as Golden;
const [accessKeyId, secretAccessKey] = golden.key;

describe("a signature", () => {
  it.each(golden.cases.map((each) => [each.url, each] as const))("for %s is botocore's", async (_, each) => {
    const sign = openSigner({
      region: each.region,
      credentials: { accessKeyId, secretAccessKey, ...(each.token === null ? {} : { sessionToken: each.token }) },
      wall: () => Date.parse(golden.time),
    });
    const body = Buffer.from(each.body, "hex");
    const parts = [body.subarray(0, 5), body.subarray(5)];
    const signed = await sign({
      method: "POST",
      url: new URL(each.url),
      headers: each.headers,
      bodySha256: runNow(hashParts(parts)),
    });
    expect(signed).toEqual(each.signed);
  });

  it("differs when the time is a second later", async () => {
    const [first] = golden.cases;
    const wall = () => Date.parse(golden.time) + 1000;
    const sign = openSigner({ region: first!.region, credentials: { accessKeyId, secretAccessKey }, wall });
    const body = [Buffer.from(first!.body, "hex")];
    const bodySha256 = runNow(hashParts(body));
    const signed = await sign({ method: "POST", url: new URL(first!.url), headers: first!.headers, bodySha256 });
    expect(signed["x-amz-date"]).toBe("20261121T142817Z");
    expect(signed.authorization).not.toBe(first!.signed.authorization);
  });
});

// CloudEvents over HTTP, both ways.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { binaryAttributes, binaryHeaders, decodeStructured, encodeStructured } from "../../../wire/cloud-events.ts";
import { holdsRows } from "../../../wire/kserve-v1-rows.ts";
import { runNow } from "../../../wire/sliced.ts";

const LIMITS = { maxInputs: 10, maxNesting: 20 };
const read = (text: string) => runNow(decodeStructured(Buffer.from(text), LIMITS));

// Source: cloudevents/spec, v1.0.2, http-protocol-binding.md and formats/json-format.md, with JSON as data
const STRUCTURED = `{
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "id" : "A234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "datacontenttype" : "application/json",
    "data" : {
        "appinfoA" : "abc",
        "appinfoB" : 123,
        "appinfoC" : true
    }
}`;

describe("a structured event", () => {
  test("is read with its data as they stand, which are a view of the body", () => {
    const body = Buffer.from(STRUCTURED);
    const event = runNow(decodeStructured(body, LIMITS));
    expect(event).toMatchObject({ id: "A234-1234-1234", source: "/mycontext", type: "com.example.someevent" });
    expect(JSON.parse(`${event.data}`)).toEqual({ appinfoA: "abc", appinfoB: 123, appinfoC: true });
    expect(event.data.buffer).toBe(body.buffer);
  });

  test("is written so that it is read again", () => {
    const event = { id: 'a"b', source: "s", type: "t", timeMs: Date.UTC(2026, 0, 2) };
    const bytes = Buffer.concat(encodeStructured(event, [Buffer.from('{"a":'), Buffer.from("1}")]));
    expect(`${bytes}`).toBe(
      '{"specversion":"1.0","id":"a\\"b","source":"s","type":"t","time":"2026-01-02T00:00:00.000Z","data":{"a":1}}',
    );
    expect(read(`${bytes}`)).toEqual({ id: 'a"b', source: "s", type: "t", data: Buffer.from('{"a":1}') });
  });

  test.each([
    ['{"specversion":"1.0","id":"1","source":"s","data":1}', /type/],
    ['{"specversion":"1.0","id":"","source":"s","type":"t","data":1}', /id/],
    ['{"specversion":"1.0","id":"1","source":"s","type":"t","data":null}', /data/],
    ['{"specversion":"1.0","id":"1","id":"2","source":"s","type":"t","data":1}', /twice/],
    ['{"specversion":"2.0","id":"1","source":"s","type":"t","data":1}', /expected 1.0, got 2.0/],
    ['{"specversion":"1.0","id":"1","source":"s","type":"t","data":', /value/],
    ["", /empty/],
  ])("%s is refused", (text, message) => {
    expect(() => read(text)).toThrow(InferError);
    expect(() => read(text)).toThrow(message);
  });
});

describe("a binary event", () => {
  const headers = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t" };

  test("is one only with all four headers", () => {
    expect(binaryAttributes(new Map(Object.entries(headers)))).toEqual({ id: "1", source: "s", type: "t" });
    for (const left of Object.keys(headers)) {
      const rest = new Map(Object.entries(headers).filter(([name]) => name !== left));
      expect(binaryAttributes(rest)).toBeUndefined();
    }
  });

  test("is written as it is read", () => {
    const written = binaryHeaders({ id: "1", source: "s", type: "t", timeMs: 0 });
    expect(written).toEqual({ ...headers, "ce-time": "1970-01-01T00:00:00.000Z" });
  });
});

describe("a body that may hold rows", () => {
  test.each([
    ['{"instances":[1]}', true],
    ['{"a":{"instances":1},"inputs":[1]}', true],
    [' {"a":[1,{"b":2}],"signature_name":"x"}', true],
    ['{"a":{"instances":[1]}}', false],
    ["{}", false],
    ["{} x", true],
    ["[1]", true],
    ["", true],
    ['{"a":', true],
    ['{"a":1', true],
  ])("%j: %s", (text, expected) => {
    expect(runNow(holdsRows(Buffer.from(text), LIMITS))).toBe(expected);
  });

  test("is read no further than the first name that tells", () => {
    expect(runNow(holdsRows(Buffer.from('{"instances": what comes here is not looked at'), LIMITS))).toBe(true);
  });

  test("yields on large bodies", () => {
    const work = holdsRows(Buffer.from(`{"a":[${"1,".repeat(400_000)}1]}`), LIMITS);
    let stops = 0;
    for (;;) {
      const step = work.next();
      if (step.done) {
        expect(step.value).toBe(false);
        break;
      }
      stops += 1;
    }
    expect(stops).toBeGreaterThan(3);
  });
});

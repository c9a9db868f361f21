// Forms as RFC 7578 has them and as curl, browsers and Python's requests write them.

import { describe, expect, it } from "vitest";
import { boundaryOf, decodeMultipart, encodeMultipart, formType } from "../../../wire/multipart.ts";
import { runNow } from "../../../wire/sliced.ts";

const read = (text: string | Uint8Array, boundary = "AaB03x") =>
  runNow(decodeMultipart(typeof text === "string" ? Buffer.from(text) : text, boundary)).map((part) => ({
    ...part,
    body: Buffer.from(part.body).toString("latin1"),
  }));
const lines = (...all: readonly string[]) => all.join("\r\n");

describe("a form", () => {
  it("is read as RFC 7578 writes it: its example, with a charset field, a preamble and an epilogue", () => {
    const body = lines(
      "who reads this is no MIME reader",
      "--AaB03x",
      'content-disposition: form-data; name="_charset_"',
      "",
      "iso-8859-1",
      "--AaB03x  ",
      'content-disposition: form-data; name="field1"',
      "content-type: text/plain;charset=UTF-8",
      "",
      "Joe owes \r\n--AaB03x100.",
      "--AaB03x--",
      "epilogue",
    );
    expect(read(body)).toEqual([
      { name: "_charset_", body: "iso-8859-1" },
      // a line that only begins like the boundary is data
      { name: "field1", contentType: "text/plain;charset=UTF-8", body: "Joe owes \r\n--AaB03x100." },
    ]);
  });

  it("is read as curl 7.88 writes it: a field with a type and a file, the quote in its name escaped", () => {
    const body = lines(
      "--b",
      'Content-Disposition: form-data; name="a"',
      "Content-Type: application/json",
      "",
      "1",
      "--b",
      'Content-Disposition: form-data; name="b"; filename="we%22ird.py"',
      "Content-Type: text/x-py",
      "",
      "\r\n\0\r\n",
      "--b--",
      "",
    );
    expect(read(body, "b")).toEqual([
      { name: "a", contentType: "application/json", body: "1" },
      { name: "b", filename: 'we"ird.py', contentType: "text/x-py", body: "\r\n\0\r\n" },
    ]);
  });

  it.each([
    ['name="a\\"b"', 'a"b'],
    ['name="a\\\\b"', "a\\b"],
    ['name="C:\\new"', "C:\\new"],
    ["name=plain", "plain"],
    ['NAME="upper"', "upper"],
    ['filename="name=x"; name="second"', "second"],
    ['name="; name=inner"', "; name=inner"],
    ['name=""', ""],
  ])("part with %s is named %j", (parameters, name) => {
    const body = lines("--b", `Content-Disposition: form-data; ${parameters}`, "", "x", "--b--");
    expect(read(body, "b")[0]?.name).toBe(name);
  });

  it("may have no parts, empty parts and a folded header", () => {
    expect(read("--b--", "b")).toEqual([]);
    const folded = lines("--b", "Content-Disposition: form-data;", ' name="x"', "", "", "--b--");
    expect(read(folded, "b")).toEqual([{ name: "x", body: "" }]);
    // the line break behind the headers is the boundary's own
    const bare = lines("--b", 'Content-Disposition: form-data; name="x"', "", "--b--");
    expect(read(bare, "b")).toEqual([{ name: "x", body: "" }]);
  });

  it.each([
    ["no boundary", "hello", "expected the boundary --b after byte 0, got none"],
    [
      "an unfinished end",
      '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nabc',
      "expected the closing boundary",
    ],
    ["no headers", "--b\r\n\r\nabc\r\n--b--", "form part 0: expected headers, got none"],
    [
      "no end of headers",
      "--b\r\nContent-Disposition: form-data",
      "form part 0: expected headers of at most 16384 bytes",
    ],
    ["no name", "--b\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--b--", "form-data with a name"],
    ["no form-data", '--b\r\nContent-Disposition: file; name="x"\r\n\r\nabc\r\n--b--', "form-data with a name"],
    [
      "a transfer encoding",
      '--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b--',
      'form part "x": expected no Content-Transfer-Encoding, got "base64"',
    ],
    [
      "headers that are no UTF-8",
      '--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n--b--',
      "expected headers in UTF-8",
    ],
  ])("with %s is refused", (_, text, message) => {
    expect(() => read(Buffer.from(text, "latin1"), "b")).toThrow(message);
  });

  it("of more parts than allowed is refused", () => {
    const part = { name: "x", body: Buffer.from("1") };
    const body = Buffer.concat(encodeMultipart([part, part, part], "b"));
    expect(runNow(decodeMultipart(body, "b", { maxParts: 3 }))).toHaveLength(3);
    expect(() => runNow(decodeMultipart(body, "b", { maxParts: 2 }))).toThrow(
      "expected at most 2 form parts, got more",
    );
  });

  it("is written without copies and read as views", () => {
    const file = Buffer.alloc(3 * 2 ** 20, 7);
    const parts = encodeMultipart([{ name: "x", filename: "f", body: file }], "b");
    expect(parts).toContain(file);
    const body = Buffer.concat(parts);
    const work = decodeMultipart(body, "b");
    let stops = 0;
    let step = work.next();
    for (; !step.done; step = work.next()) stops += 1;
    expect(stops).toBe(3);
    expect(step.value[0]?.body.buffer).toBe(body.buffer);
    expect(step.value[0]?.body.byteLength).toBe(file.byteLength);
  });

  it("finds a boundary that lies across two steps of its search", () => {
    for (let shift = 0; shift < 40; shift += 1) {
      const head = Buffer.concat(encodeMultipart([{ name: "x", body: Buffer.alloc(0) }], "b")).byteLength;
      const file = Buffer.alloc(2 ** 20 - head + shift, 0x0d);
      const [part] = runNow(decodeMultipart(Buffer.concat(encodeMultipart([{ name: "x", body: file }], "b")), "b"));
      expect(part?.body.byteLength).toBe(file.byteLength);
    }
  });
});

describe("the boundary of a content type", () => {
  it.each([
    [formType("abc"), "abc"],
    ['multipart/form-data; boundary="a b;c"', "a b;c"],
    [
      "Multipart/Form-Data;charset=utf-8; Boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
      "----WebKitFormBoundary7MA4YWxkTrZu0gW",
    ],
  ])("of %s is found", (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });

  it.each([
    "multipart/form-data",
    "multipart/mixed; boundary=a",
    `multipart/form-data; boundary="${"a".repeat(71)}"`,
    "",
  ])("is missing in %j", (type) => {
    expect(() => boundaryOf(type)).toThrow("expected multipart/form-data with a boundary of 1 to 70 characters");
  });
});

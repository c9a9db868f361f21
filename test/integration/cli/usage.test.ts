// What the command line makes of its words: help, wrong usage, and a gateway that is not there, each with its exit code.

import { describe, expect, it } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

describe("the command line", () => {
  it("prints help with examples and exit codes, and its version", async () => {
    const help = memoryIo();
    expect(await main(["--help"], help)).toBe(0);
    for (const word of ["serve", "check", "models", "infer", "demo", "schema"])
      expect(help.written()).toMatch(new RegExp(`^  ${word}\\b`, "m"));
    expect(help.written()).toContain(
      "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 70 a fault of sluice itself.",
    );
    const infer = memoryIo();
    expect(await main(["infer", "--help"], infer)).toBe(0);
    expect(infer.written()).toContain("  sluice infer digits --input @models/digits/samples/seven.json\n");
    const version = memoryIo();
    expect(await main(["--version"], version)).toBe(0);
    expect(version.written()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [["bogus"], "sluice: unknown command 'bogus'"],
    [["check", "--bogus"], "sluice: unknown option '--bogus'"],
    [["infer"], "sluice: missing required argument 'model'"],
    [["infer", "digits"], "sluice: expected an input: --input @file, --input name=@file or --data '[1, 2]'"],
    [
      ["models", "--url", "localhost:1"],
      'sluice: expected the URL of a gateway such as http://127.0.0.1:8000, got "localhost:1"',
    ],
    [["serve", "--http", "8000"], 'sluice: --http: expected host:port such as 127.0.0.1:8000, got "8000"'],
    [["schema", "extra"], "sluice: too many arguments for 'schema'. Expected 0 arguments but got 1: extra."],
    [["explain"], "sluice: required option '-m, --model <name>' not specified"],
    [["explain", "-m", "x", "-H", "ada"], 'sluice: --header: expected name=value such as x-user-id=42, got "ada"'],
    [["explain", "-m", "x", "--input", "x"], "sluice: --input: expected name:datatype:[shape] such as x:FP32:[1,4]"],
    [["plan"], "sluice: missing required argument 'file'"],
    [["rollback", "--to", "x"], 'sluice: --to: expected the number of an entry of the history, got "x"'],
    [
      ["breaker", "open"],
      'sluice: expected open, close or reset and an endpoint such as gpu/triton-0:8001, got "open"',
    ],
    [["cache", "purge", "a", "b"], "sluice: too many arguments for 'purge'. Expected 1 argument but got 2: a, b."],
    [["cache"], "Usage: sluice cache [options] [command]"],
    [["probe", "ftp://x"], "sluice: expected http://host:port, https://host:port"],
    [
      ["serve", "--admin", "0.0.0.0:1"],
      "sluice: listen.admin: expected a loopback address such as 127.0.0.1:1, got 0.0.0.0:1",
    ],
    [
      ["serve", "--http", "127.0.0.1:9", "--admin", "127.0.0.1:9"],
      "sluice: listen.admin: expected an address of its own, got 127.0.0.1:9",
    ],
  ])("refuses wrong usage with exit code 2: %j", async (args, message) => {
    const io = memoryIo();
    expect(await main(args, io)).toBe(2);
    expect(io.complained()).toContain(message);
    expect(io.written()).toBe("");
  });

  it.each([
    "serve",
    "check",
    "demo",
    "schema",
    "models",
    "infer",
    "probe",
    "explain",
    "plan",
    "breaker",
    "rollback",
    "cache purge",
  ])("has help with an example of its own for %s", async (command) => {
    const io = memoryIo();
    expect(await main([...command.split(" "), "--help"], io)).toBe(0);
    expect(io.written()).toMatch(new RegExp(`^Usage: sluice ${command} `));
    expect(io.written()).toMatch(new RegExp(`\\nExamples:\\n {2}sluice ${command}`));
    expect(io.complained()).toBe("");
    const all = memoryIo();
    await main(["--help"], all);
    expect(all.written()).toMatch(new RegExp(`^ {2}${command.split(" ")[0]}\\b`, "m"));
  });

  it.each([[["models"]], [["breaker"]], [["rollback"]], [["cache", "purge"]], [["explain", "-m", "x"]]])(
    "fails with 1, and says how to start a gateway, where none answers: %j",
    async (args) => {
      const io = memoryIo();
      expect(await main([...args, "--url", "http://127.0.0.1:2"], io)).toBe(1);
      expect(io.complained()).toBe(
        'sluice: no gateway answers at http://127.0.0.1:2: connection refused ("sluice serve" starts one, --url names another)\n',
      );
    },
  );

  it("prints help, and exits 2, when it is asked for nothing", async () => {
    const io = memoryIo();
    expect(await main([], io)).toBe(2);
    expect(io.complained()).toContain("Usage: sluice");
  });
});

import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { BACKEND, kinds, mistakesIn } from "./kinds.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const config = (store: string) => `${BACKEND}store: ${store}\n`;

function storeOf(words: string, env: Record<string, string> = {}) {
  const loaded = loadConfig({ text: config(words), file: "f.yaml", env }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.config.store;
}

describe("the store that replicas share", () => {
  it("is none where nothing is said", () => {
    const loaded = loadConfig({ text: BACKEND, file: "f.yaml", env: {} }, kinds);
    expect(loaded.ok && loaded.config.store).toBeUndefined();
  });

  it("needs its URL and a secret, which may come from the environment", () => {
    const env = { SECRET, PASSWORD: "p" };
    expect(storeOf('{valkey: "redis://:${PASSWORD}@h:6379/1", secret: "${SECRET}"}', env)).toEqual({
      valkey: "redis://:p@h:6379/1",
      secret: SECRET,
      timeoutMs: 5,
      prefix: "sluice",
      maxValueBytes: 1024 * 1024,
    });
  });

  it.each(["redis://h", "rediss://h:1", "valkey://h", "valkeys://u:p@h:6379/2"])("takes %s", (url) => {
    expect(storeOf(`{valkey: "${url}", secret: ${SECRET}}`)?.valkey).toBe(url);
  });

  it.each([
    [`{valkey: "http://:hidden@h", secret: ${SECRET}}`, "store.valkey: expected the URL of a Valkey or Redis"],
    [`{valkey: hidden, secret: ${SECRET}}`, "store.valkey: expected the URL of a Valkey or Redis"],
    [`{valkey: "redis://", secret: ${SECRET}}`, "store.valkey: expected the URL of a Valkey or Redis"],
    ['{valkey: "redis://h", secret: hidden}', "store.secret: expected a secret of at least 32 signs"],
    ['{valkey: "redis://h"}', "store.secret"],
    [`{secret: ${SECRET}}`, "store.valkey"],
    [`{valkey: "redis://h", secret: ${SECRET}, prefix: "a b"}`, "store.prefix: expected letters"],
    [`{valkey: "redis://h", secret: ${SECRET}, timeout: 0ms}`, "store.timeout: expected a duration above 0"],
    [`{valkey: "redis://h", secret: ${SECRET}, url: x}`, "store.url: unknown key"],
  ])("refuses %s and shows no secret", (words, said) => {
    const mistakes = mistakesIn(config(words));
    expect(mistakes.join("\n")).toContain(said);
    expect(mistakes.join("\n")).not.toContain("hidden");
  });
});

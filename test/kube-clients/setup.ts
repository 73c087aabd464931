/** The four clients and a current etcd, set up in .cache/kube-clients. What cannot be had is skipped, visibly. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
export const cache = join(root, ".cache/kube-clients");

/** Commands that do the rows of each client; undefined: not to be had here. */
export interface Clients {
  readonly kubectl: string | undefined;
  readonly "client-node": readonly string[] | undefined;
  readonly python: readonly string[] | undefined;
  readonly "client-go": readonly string[] | undefined;
}

async function run(cwd: string, ...argv: string[]): Promise<string | undefined> {
  const child = Bun.spawn(argv, { cwd, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const talk = await child.stderr.text();
  return (await child.exited) === 0 ? undefined : talk.trim().split("\n").at(-1);
}

/** Does the steps until one fails; the product if it is there afterwards. */
async function make<T>(
  name: string,
  product: string,
  value: T,
  steps: () => Promise<string | undefined>,
): Promise<T | undefined> {
  if (existsSync(product)) return value;
  const failed = await steps().catch((error: unknown) => String(error));
  if (existsSync(product)) return value;
  process.stderr.write(`SKIPPED ${name}: not to be had here (${failed ?? "no product"})\n`);
  return undefined;
}

/** A kubectl 1.32 from the path, or built from its module. */
export async function ensureKubectl(): Promise<string | undefined> {
  const own = Bun.which("kubectl");
  if (own) {
    const child = Bun.spawn([own, "version", "--client"], { stdout: "pipe", stderr: "ignore" });
    if ((await child.stdout.text()).includes("v1.32.")) return own;
  }
  const built = join(cache, "bin/kubectl");
  const version = "k8s.io/component-base/version";
  const flags = `-X ${version}.gitVersion=v1.32.4 -X ${version}.gitMajor=1 -X ${version}.gitMinor=32`;
  return make("kubectl 1.32", built, built, () =>
    run(join(import.meta.dir, "tools/kubectl"), "go", "build", `-ldflags=${flags}`, "-o", built, "."),
  );
}

/** An etcd that kube-apiserver's watch lists need (Debian's is too old for them); goes first on the path. */
export function ensureEtcd(): Promise<string | undefined> {
  const built = join(cache, "bin/etcd");
  return make("etcd 3.5", built, join(cache, "bin"), () =>
    run(join(import.meta.dir, "tools/etcd"), "go", "build", "-o", built, "go.etcd.io/etcd/server/v3"),
  );
}

/** Sets up all clients; takes a few minutes the first time. */
export async function setUpClients(): Promise<Clients> {
  mkdirSync(join(cache, "node"), { recursive: true });
  const here = (path: string): string => join(import.meta.dir, path);
  const python = join(cache, "venv/bin/python");
  const [kubectl, node, venv, go] = [
    await ensureKubectl(),
    await make(
      "@kubernetes/client-node",
      join(cache, "node/node_modules/@kubernetes/client-node"),
      true,
      async () => {
        copyFileSync(here("node/package.json"), join(cache, "node/package.json"));
        return run(
          join(cache, "node"),
          "npm",
          "install",
          "--silent",
          "--no-package-lock",
          "--no-audit",
          "--no-fund",
        );
      },
    ),
    await make("PyPI kubernetes", join(cache, "venv/.ready"), true, async () => {
      const failed =
        (await run(cache, "python3", "-m", "venv", "venv")) ??
        (await run(cache, python, "-m", "pip", "install", "--quiet", "-r", here("python/requirements.txt")));
      if (failed === undefined) await Bun.write(join(cache, "venv/.ready"), "");
      return failed;
    }),
    // Always asked: go itself knows whether anything changed.
    await run(here("go"), "go", "build", "-o", join(cache, "go/rows"), "./rows").catch(String),
  ];
  if (node) copyFileSync(here("node/rows.mjs"), join(cache, "node/rows.mjs"));
  if (go !== undefined) process.stderr.write(`SKIPPED client-go: not to be had here (${go})\n`);
  return {
    kubectl,
    "client-node": node === undefined ? undefined : ["node", join(cache, "node/rows.mjs")],
    python: venv === undefined ? undefined : [python, here("python/rows.py")],
    "client-go": go === undefined ? [join(cache, "go/rows")] : undefined,
  };
}

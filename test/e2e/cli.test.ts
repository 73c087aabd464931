/** The command line as a user meets it: processes, exit statuses, stdout and stderr. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifests } from "../../demo/manifests.ts";
import { type CliRun, runWeft, weftCommand } from "../../src/testkit/cli.ts";
import { eventually, type MeshHarness, startMesh } from "../../src/testkit/mesh-harness.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-cli-"));
let mesh: MeshHarness;
let env: Record<string, string | undefined>;

beforeAll(async () => {
  mesh = await startMesh();
  env = { ...process.env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath, NO_COLOR: "1" };
  for (const [name, text] of Object.entries(manifests)) writeFileSync(join(dir, `${name}.yaml`), text);
}, 30_000);
afterAll(async () => {
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
}, 30_000);

const weft = (...args: string[]): Promise<CliRun> => runWeft(args, { cwd: dir, env });

describe("weft apply", () => {
  test("the four manifests: created, warnings with file, line, column and caret; again: unchanged", async () => {
    const first = await weft("apply", "-f", ".");
    // Compared with what it said, so that a failure tells what was refused.
    expect(first).toEqual({ ...first, status: 0 });
    expect(first.out).toContain("virtualservice.networking.istio.io/reviews-route created\n");
    expect(first.talk).toContain(
      "  --> virtual-service.yaml:17:7\n   17 |     - route:\n      |       ^^^^^^\n",
    );
    expect((await weft("apply", "-f", ".")).out).toContain("reviews-route unchanged\n");
  });

  test("a broken manifest: exit status 65 at its place, its sound neighbour is applied", async () => {
    const bad = manifests["virtual-service"]!.replace("weight: 90", "weight: ninety").replace(
      "reviews-route",
      "bad",
    );
    const good = manifests["destination-rule"]!.replace("reviews-cb", "good");
    writeFileSync(join(dir, "mixed.yml"), `${bad}\n---\n${good}`);
    const { out, talk, status } = await weft("apply", "-f", "mixed.yml");
    expect(status).toBe(65);
    expect(out).toBe("destinationrule.networking.istio.io/good created\n");
    expect(talk).toContain(
      "--> mixed.yml:21:15\n   21 |       weight: ninety\n      |               ^^^^^^\n",
    );
    rmSync(join(dir, "mixed.yml"));
  });

  test("text that is not YAML, an unknown field, an unknown kind", async () => {
    const cases: [string, RegExp][] = [
      ["apiVersion: v1\nkind: [", /error: not YAML: .*\n {2}--> x\.yml:2:\d+/],
      [
        manifests["destination-rule"]!.replace("maxConnections", "maxConections"),
        /unknown field spec\..*maxConections\n {2}--> x\.yml:10:9/,
      ],
      ["apiVersion: v1\nkind: Servise\nmetadata: {name: a}\n", /no kind Servise in v1\n {2}--> x\.yml:1:13/],
    ];
    for (const [text, wanted] of cases) {
      writeFileSync(join(dir, "x.yml"), text);
      const { talk, status } = await weft("apply", "-f", "x.yml");
      expect([status, talk]).toEqual([65, expect.stringMatching(wanted)]);
    }
    rmSync(join(dir, "x.yml"));
  });

  test("the stored object knows the lines that it came from", async () => {
    const { out } = await weft("get", "vs", "reviews-route", "-o", "json");
    const object = JSON.parse(out) as { metadata: { annotations: Record<string, string> } };
    expect(object.metadata.annotations["weft.dev/source"]).toStartWith("virtual-service.yaml:1:1 ");
  });
});

describe("get and delete", () => {
  test("tables, names, did-you-mean, nothing found", async () => {
    expect((await weft("get", "virtualservices")).out).toMatch(
      /^NAME +HOSTS +AGE\nreviews-route +\["reviews"\]/,
    );
    expect((await weft("get", "dr", "-o", "name")).out).toContain(
      "destinationrule.networking.istio.io/reviews-cb\n",
    );
    const typo = await weft("get", "virtualservise");
    expect([typo.status, typo.talk]).toEqual([64, expect.stringContaining("did you mean virtualservices?")]);
    const none = await weft("get", "secrets");
    expect([none.status, none.out, none.talk]).toEqual([0, "", "No resources found in default namespace.\n"]);
  });

  test("delete by kind/name; what is not there is an error unless told otherwise", async () => {
    expect((await weft("delete", "dr/good")).out).toBe("destinationrule.networking.istio.io/good deleted\n");
    expect((await weft("delete", "dr/good")).status).toBe(1);
    expect((await weft("delete", "dr/good", "--ignore-not-found")).status).toBe(0);
  });
});

describe("usage", () => {
  test("unknown commands and flags exit with 64 and a suggestion", async () => {
    const command = await weft("aply");
    expect([command.status, command.talk]).toEqual([64, expect.stringContaining("did you mean `apply`?")]);
    const flag = await weft("get", "vs", "--outptu", "json");
    expect([flag.status, flag.talk]).toEqual([64, expect.stringContaining("--output")]);
    expect((await weft("run", "--service", "x", "--port", "9080")).status).toBe(64);
    expect((await weft("get", "vs", "-o", "xml")).status).toBe(64);
  });

  test("an API server that cannot be reached is explained", async () => {
    const text = readFileSync(mesh.dev.kubeconfigPath, "utf8").replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1");
    writeFileSync(join(dir, "dead"), text);
    const { status, talk } = await weft("get", "vs", "--kubeconfig", "dead");
    expect(status).toBe(1);
    expect(talk).toStartWith("error: ");
    expect(talk).not.toContain("    at ");
  });
});

describe("weft run", () => {
  const run = (...command: string[]) =>
    Bun.spawn(
      [
        ...weftCommand,
        "run",
        "--service",
        "job",
        "--port",
        "9080",
        "--state-dir",
        join(dir, "state"),
        "--log-level",
        "error",
        "--",
        ...command,
      ],
      {
        cwd: dir,
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );

  test("the command sees its port and proxy, and its exit status is ours", async () => {
    const job = run("sh", "-c", 'echo "$PORT $http_proxy $NO_PROXY"; exit 7');
    const [out, status] = await Promise.all([job.stdout.text(), job.exited]);
    expect(status).toBe(7);
    expect(out).toMatch(/^\d+ http:\/\/weft:[\w-]{24}@127\.66\.\d+\.\d+:15001 localhost,127\.0\.0\.1,::1\n$/);
    expect(statSync(join(dir, "state")).mode & 0o777).toBe(0o700);
  }, 30_000);

  test("a command that does not exist is named", async () => {
    const job = run("no-such-program-here");
    const [talk, status] = await Promise.all([job.stderr.text(), job.exited]);
    expect([status, talk]).toEqual([127, expect.stringContaining("cannot start no-such-program-here")]);
  }, 30_000);

  test("SIGTERM reaches the command, and its own exit status counts", async () => {
    const ready = join(dir, "ready");
    const job = run(
      "sh",
      "-c",
      `trap 'exit 9' TERM; touch ${ready}; while :; do read -t 1 x < /dev/zero || :; done`,
    );
    await eventually(async () => existsSync(ready));
    job.kill("SIGTERM");
    expect(await job.exited).toBe(9);
    const { items } = await mesh.dev.client.raw<{ items: unknown[] }>(
      "/apis/networking.istio.io/v1/namespaces/default/workloadentries",
    );
    expect(items).toEqual([]);
  }, 40_000);
});

describe("weft dev", () => {
  test("a second one on the same data directory is refused by name; SIGTERM ends the first cleanly", async () => {
    const data = join(dir, "data");
    const start = () =>
      Bun.spawn(
        [
          ...weftCommand,
          "dev",
          "--data-dir",
          data,
          "--api-port",
          "0",
          "--xds-port",
          "0",
          "--plain-xds-port",
          "0",
          "--debug-port",
          "0",
        ],
        {
          cwd: dir,
          env,
          stdin: "ignore",
          stdout: "pipe",
          stderr: "pipe",
        },
      );
    const first = start();
    await eventually(async () => existsSync(join(data, "kubeconfig")));
    expect(statSync(join(data, "kubeconfig")).mode & 0o777).toBe(0o600);
    const second = start();
    const [talk, status] = await Promise.all([second.stderr.text(), second.exited]);
    expect(status).toBe(1);
    expect(talk).toContain(`process ${first.pid}`);
    await first.stdout.getReader().read();
    first.kill("SIGTERM");
    expect(await first.exited).toBe(0);
  }, 40_000);
});

/** Does the whole table against one server. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { kubectlRows } from "./kubectl/index.ts";
import { runKubectl } from "./kubectl/run.ts";
import type { Row } from "./kubectl/types.ts";
import { normalise } from "./normalise.ts";
import { inNamespace, type Server } from "./servers.ts";
import type { Clients } from "./setup.ts";
import { runWeft } from "./weft/rows.ts";

export interface TableOptions {
  readonly server: Server;
  readonly clients: Clients;
  /** For caches and kubeconfigs. */
  readonly dir: string;
  /** Rows to do, by `client/id`. */
  readonly only: RegExp;
  readonly kubectlRows?: readonly Row[];
}

/** Results of all rows, normalised, by `client/id`. */
export async function doTable(options: TableOptions): Promise<Map<string, unknown>> {
  const { server, clients, only } = options;
  const results = new Map<string, unknown>();
  const hook = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async () => {
      await server.compact();
      return new Response("compacted\n");
    },
  });
  const keep = (found: Map<string, unknown>, namespace: string): void => {
    for (const [row, result] of found) results.set(row, normalise(result, { namespace, server: server.url }));
  };
  try {
    const { kubectl } = clients;
    const rows = (options.kubectlRows ?? kubectlRows).filter((r) => only.test(`kubectl/${r.id}`));
    if (kubectl && rows.length > 0) {
      const place = await prepare(options, "kubectl", kubectl);
      keep(await runKubectl({ kubectl, rows, ...place }), place.namespace);
    }
    for (const client of ["client-node", "python", "client-go"] as const) {
      const command = clients[client];
      if (!command || !kubectl) continue;
      const place = await prepare(options, client, kubectl);
      keep(await runProgram(command, client, place, hook.url.href, only), place.namespace);
    }
    if (kubectl && options.kubectlRows === undefined) {
      const place = await prepare(options, "weft", kubectl);
      keep(await runWeft(place.kubeconfig, place.namespace, server.compact, only), place.namespace);
    }
  } finally {
    await hook.stop(true);
  }
  return results;
}

interface Place {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly dir: string;
}

/** A namespace of the client's own, with the default account that a controller would make. */
async function prepare({ server, dir }: TableOptions, client: string, kubectl: string): Promise<Place> {
  const own = join(dir, server.name, client);
  mkdirSync(own, { recursive: true });
  const namespace = `kc-${client}-0a1b`;
  const kubeconfig = inNamespace(server.kubeconfig, namespace, join(own, "kubeconfig"));
  const run = (...args: string[]): Promise<number> =>
    Bun.spawn([kubectl, "--kubeconfig", kubeconfig, "--cache-dir", own, ...args], {
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    }).exited;
  await run("create", "namespace", namespace);
  await run("create", "serviceaccount", "default");
  return { kubeconfig, namespace, dir: own };
}

/** A client's program prints a line of JSON for each row. */
async function runProgram(
  command: readonly string[],
  client: string,
  place: Place,
  compact: string,
  only: RegExp,
): Promise<Map<string, unknown>> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: Bun.file(join(place.dir, "stderr")),
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: place.dir,
      KUBECONFIG: place.kubeconfig,
      NAMESPACE: place.namespace,
      COMPACT: compact,
      // Programs know their rows without the client's name.
      ROWS: only.source.startsWith(`${client}/`) ? only.source.slice(client.length + 1) : only.source,
    },
  });
  const found = new Map<string, unknown>();
  for (const line of (await child.stdout.text()).split("\n")) {
    if (!line.startsWith("{")) continue;
    const { row, result } = JSON.parse(line) as { row: string; result: unknown };
    found.set(row, result);
  }
  const status = await child.exited;
  if (status !== 0) found.set(`${client}/(program)`, `ended with ${status}`);
  return found;
}

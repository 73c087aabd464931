/** Where the API server is and who we are: kubeconfig files and the account of a pod. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { parse } from "yaml";
import type { KubeConfig } from "./types.ts";

/** A kubeconfig that cannot be used; the message says which file and field, and how to mend it. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
}

export interface LoadOptions {
  /** A file; default: $KUBECONFIG (list of files), then the pod's account, then ~/.kube/config. */
  readonly path?: string | undefined;
  /** Default current-context. */
  readonly context?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder of the pod's account; for tests. */
  readonly serviceAccountDir?: string;
}

type Fields = Readonly<Record<string, unknown>>;

interface Named {
  readonly fields: Fields;
  readonly file: string;
}

interface Merged {
  readonly clusters: Map<string, Named>;
  readonly users: Map<string, Named>;
  readonly contexts: Map<string, Named>;
  current: string;
}

const podAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Loads and resolves one context: all material is read, so that a later move of files does not matter. */
export function loadKubeconfig(options: LoadOptions = {}): KubeConfig {
  const reload = (): KubeConfig | undefined => {
    try {
      return { ...readKubeconfig(options), reload };
    } catch {
      return undefined;
    }
  };
  return { ...readKubeconfig(options), reload };
}

function readKubeconfig(options: LoadOptions): KubeConfig {
  const env = options.env ?? process.env;
  if (options.path !== undefined) return fromFiles([options.path], options.context);
  const list = (env["KUBECONFIG"] ?? "").split(delimiter).filter((f) => f !== "");
  if (list.length > 0) {
    const there = list.filter((f) => existsSync(f));
    if (there.length === 0)
      throw new KubeconfigError(`KUBECONFIG names ${list.join(", ")}, which does not exist`);
    return fromFiles(there, options.context);
  }
  const dir = options.serviceAccountDir ?? podAccount;
  if (env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(join(dir, "token")))
    return inCluster(dir, env);
  const home = join(homedir(), ".kube/config");
  if (existsSync(home)) return fromFiles([home], options.context);
  throw new KubeconfigError(
    "no kubeconfig: set KUBECONFIG or name a file (`weft dev` writes one as DIR/kubeconfig)",
  );
}

function inCluster(dir: string, env: Readonly<Record<string, string | undefined>>): KubeConfig {
  const host = env["KUBERNETES_SERVICE_HOST"]!;
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  const read = (name: string): string => readFileSync(join(dir, name), "utf8").trim();
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    caPem: read("ca.crt"),
    token: () => read("token"),
    namespace: existsSync(join(dir, "namespace")) ? read("namespace") : "default",
    context: "in-cluster",
  };
}

function fromFiles(files: readonly string[], wanted: string | undefined): KubeConfig {
  const merged: Merged = { clusters: new Map(), users: new Map(), contexts: new Map(), current: "" };
  for (const file of files) mergeFile(file, merged);
  const name = wanted ?? merged.current;
  const where = files.join(", ");
  if (name === "") throw new KubeconfigError(`${where}: no current-context; name a context`);
  const context = merged.contexts.get(name);
  if (context === undefined) {
    const known = [...merged.contexts.keys()].join(", ") || "none";
    throw new KubeconfigError(`${where}: no context ${name} (there are: ${known})`);
  }
  const cluster = merged.clusters.get(text(context, "cluster") ?? "");
  if (cluster === undefined)
    throw new KubeconfigError(
      `${context.file}: context ${name} names cluster ${text(context, "cluster")}, which is not there`,
    );
  const user = merged.users.get(text(context, "user") ?? "") ?? { fields: {}, file: context.file };
  return resolve(name, context, cluster, user);
}

function mergeFile(file: string, merged: Merged): void {
  let doc: unknown;
  try {
    doc = parse(readFileSync(file, "utf8"), { maxAliasCount: 0 });
  } catch (error) {
    throw new KubeconfigError(`${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  if (typeof doc !== "object" || doc === null) throw new KubeconfigError(`${file}: not a kubeconfig`);
  const top = doc as Fields;
  for (const [list, single, into] of [
    ["clusters", "cluster", merged.clusters],
    ["users", "user", merged.users],
    ["contexts", "context", merged.contexts],
  ] as const) {
    const entries = top[list] ?? [];
    if (!Array.isArray(entries)) throw new KubeconfigError(`${file}: ${list} is not a list`);
    for (const entry of entries as Fields[]) {
      const name = entry?.["name"];
      // The first file that names something decides, as kubectl merges.
      if (typeof name === "string" && !into.has(name))
        into.set(name, { fields: (entry[single] ?? {}) as Fields, file });
    }
  }
  if (merged.current === "" && typeof top["current-context"] === "string")
    merged.current = top["current-context"];
}

function text(from: Named, field: string): string | undefined {
  const value = from.fields[field];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** `<field>-data` (base64) or the file that `<field>` names, relative to the kubeconfig. */
function material(from: Named, field: string): string | undefined {
  const data = text(from, `${field}-data`);
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  const path = text(from, field);
  if (path === undefined) return undefined;
  const full = isAbsolute(path) ? path : join(dirname(from.file), path);
  try {
    return readFileSync(full, "utf8");
  } catch (error) {
    throw new KubeconfigError(`${from.file}: ${field}: cannot read ${full}`, { cause: error });
  }
}

function tokenOf(user: Named): (() => string) | undefined {
  const token = text(user, "token");
  if (token !== undefined) return () => token;
  const file = text(user, "tokenFile");
  if (file === undefined) return undefined;
  const full = isAbsolute(file) ? file : join(dirname(user.file), file);
  return () => readFileSync(full, "utf8").trim();
}

function resolve(name: string, context: Named, cluster: Named, user: Named): KubeConfig {
  const server = text(cluster, "server");
  if (server === undefined)
    throw new KubeconfigError(`${cluster.file}: the cluster of context ${name} has no server`);
  for (const unsupported of ["exec", "auth-provider"])
    if (user.fields[unsupported] !== undefined)
      throw new KubeconfigError(
        `${user.file}: user of context ${name}: ${unsupported} is not supported; use a token or a client certificate`,
      );
  const caPem = material(cluster, "certificate-authority");
  const certPem = material(user, "client-certificate");
  const keyPem = material(user, "client-key");
  const token = tokenOf(user);
  const tlsServerName = text(cluster, "tls-server-name");
  return {
    server: server.replace(/\/+$/, ""),
    ...(caPem === undefined ? {} : { caPem }),
    ...(certPem === undefined ? {} : { certPem }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(token === undefined ? {} : { token }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(cluster.fields["insecure-skip-tls-verify"] === true ? { insecureSkipTlsVerify: true } : {}),
    namespace: text(context, "namespace") ?? "default",
    context: name,
  };
}

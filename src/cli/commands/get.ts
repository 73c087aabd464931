import { exitStatus, Problem } from "../../app/problem/index.ts";
import { apiVersionOf, type KindRef, type KubeClient, type KubeObject } from "../../kube/client/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { createKindIndex, type KindIndex } from "../kind-index.ts";
import { age, encodeData, type Format, formatOf, table } from "../output.ts";
import { parseTargets, resourceNames, type Target } from "../targets.ts";

export interface GetFlags extends ClientFlags {
  readonly output?: string;
  readonly selector?: string;
  readonly allNamespaces?: boolean;
  readonly noHeaders?: boolean;
}

/** `weft get`: kinds by name, plural or short name; several with commas; `kind/name`. */
export async function get(this: CliContext, flags: GetFlags, ...words: string[]): Promise<void> {
  const format = formatOf(flags.output, ["wide", "name", "json", "yaml"]);
  const { client, namespace } = openSession(this, flags);
  const kinds = createKindIndex(client);
  if (words[0] === "kinds") return showKinds(this, kinds, flags);
  const targets = parseTargets(words);
  if (targets.length === 0)
    throw new Problem("no kind is named", {
      mend: "`weft get kinds` lists them; for example `weft get virtualservices`",
      exit: exitStatus.usage,
    });
  await kinds.load();
  const where = flags.allNamespaces ? undefined : namespace;
  const groups: Group[] = [];
  for (const target of targets) groups.push(await fetchGroup(client, kinds, target, where, flags));
  await print(this, groups, format, flags, where);
}

interface Group {
  readonly ref: KindRef;
  readonly single: boolean;
  readonly items: readonly KubeObject[];
}

async function fetchGroup(
  client: KubeClient,
  kinds: KindIndex,
  target: Target,
  where: string | undefined,
  flags: GetFlags,
): Promise<Group> {
  const ref = kinds.find(target.kind) ?? unknownKind(kinds, target.kind);
  const namespace = ref.namespaced ? where : undefined;
  if (target.names.length > 0) {
    const items: KubeObject[] = [];
    for (const name of target.names)
      items.push(await client.get<KubeObject>(ref, name, ref.namespaced ? (where ?? "default") : undefined));
    return { ref, single: items.length === 1, items };
  }
  const list = await client.listAll<KubeObject>(ref, { namespace, labelSelector: flags.selector });
  return { ref, single: false, items: list.items };
}

export function unknownKind(kinds: KindIndex, word: string): never {
  const near = kinds.near(word);
  throw new Problem(`the server has no kind ${word}`, {
    mend: near.length > 0 ? `did you mean ${near.join(" or ")}?` : "`weft get kinds` lists them",
    exit: exitStatus.usage,
  });
}

async function print(
  context: CliContext,
  groups: readonly Group[],
  format: Format | undefined,
  flags: GetFlags,
  where: string | undefined,
): Promise<void> {
  const out = (text: string): void => void context.process.stdout.write(text);
  const items = groups.flatMap((g) => g.items);
  if (format === "json" || format === "yaml") {
    const single = groups.length === 1 && groups[0]!.single;
    return out(await encodeData(single ? items[0] : { apiVersion: "v1", kind: "List", items }, format));
  }
  if (format === "name")
    return out(groups.flatMap((g) => g.items.map((o) => `${resourceNames(g.ref, o)}\n`)).join(""));
  if (items.length === 0) {
    context.process.stderr.write(
      `No resources found${where === undefined ? "" : ` in ${where} namespace`}.\n`,
    );
    return;
  }
  for (const [i, group] of groups.filter((g) => g.items.length > 0).entries()) {
    if (i > 0) out("\n");
    out(
      groupTable(
        context,
        group,
        format === "wide",
        where === undefined,
        flags.noHeaders !== true,
        groups.length > 1,
      ),
    );
  }
}

function groupTable(
  context: CliContext,
  { ref, items }: Group,
  wide: boolean,
  allNamespaces: boolean,
  headers: boolean,
  prefixed: boolean,
): string {
  const columns = columnsOf(ref.kind, wide);
  const spaced = allNamespaces && ref.namespaced;
  const head = [...(spaced ? ["NAMESPACE"] : []), "NAME", ...columns.map((c) => c.name), "AGE"];
  const rows = items.map((o) => [
    ...(spaced ? [o.metadata.namespace ?? ""] : []),
    prefixed ? resourceNames(ref, o) : o.metadata.name,
    ...columns.map((c) => c.text(o)),
    o.metadata.creationTimestamp ? age(context.clock.wall() - Date.parse(o.metadata.creationTimestamp)) : "",
  ]);
  return table(head, rows, { headers, bold: context.style.bold });
}

interface Column {
  readonly name: string;
  readonly wide?: boolean;
  readonly text: (o: KubeObject) => string;
}

/** Walks `spec.http` and so on; undefined where something on the way is missing. */
function dig(o: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], o);
}

const plain = (name: string, path: string, wide = false): Column => ({
  name,
  wide,
  text: (o) => {
    const value = dig(o, path);
    if (value === undefined || value === null) return "";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  },
});
const note = (name: string, key: string): Column => ({
  name,
  text: (o) => o.metadata.annotations?.[`weft.dev/${key}`] ?? "",
});
const label = (name: string, key: string): Column => ({ name, text: (o) => o.metadata.labels?.[key] ?? "" });

const columns: Readonly<Record<string, readonly Column[]>> = {
  VirtualService: [plain("HOSTS", "spec.hosts"), plain("GATEWAYS", "spec.gateways", true)],
  DestinationRule: [plain("HOST", "spec.host")],
  PeerAuthentication: [plain("MODE", "spec.mtls.mode")],
  Service: [
    plain("TYPE", "spec.type"),
    plain("CLUSTER-IP", "spec.clusterIP"),
    {
      name: "PORTS",
      text: (o) =>
        ((dig(o, "spec.ports") as { port: number; protocol?: string }[] | undefined) ?? [])
          .map((p) => `${p.port}/${p.protocol ?? "TCP"}`)
          .join(","),
    },
    plain("SELECTOR", "spec.selector", true),
  ],
  WorkloadEntry: [
    plain("ADDRESS", "spec.address"),
    plain("VERSION", "spec.labels.version"),
    note("READY", "ready"),
    plain("SERVICE-ACCOUNT", "spec.serviceAccount", true),
  ],
  ConfigMap: [
    { name: "DATA", text: (o) => String(Object.keys((o["data"] as object | undefined) ?? {}).length) },
  ],
  Secret: [
    plain("TYPE", "type"),
    { name: "DATA", text: (o) => String(Object.keys((o["data"] as object | undefined) ?? {}).length) },
  ],
  Lease: [plain("HOLDER", "spec.holderIdentity")],
  Namespace: [plain("STATUS", "status.phase")],
  EndpointSlice: [plain("ADDRESS-TYPE", "addressType"), label("SERVICE", "kubernetes.io/service-name")],
};

function columnsOf(kind: string, wide: boolean): readonly Column[] {
  const accepted: Column = { name: "ACCEPTED", wide: true, text: (o) => condition(o, "Accepted") };
  return [...(columns[kind] ?? []), ...(kind in columns ? [accepted] : [])].filter((c) => wide || !c.wide);
}

function condition(o: KubeObject, type: string): string {
  const list = dig(o, "status.conditions");
  const hit = Array.isArray(list)
    ? (list as { type?: string; status?: string }[]).find((c) => c.type === type)
    : undefined;
  return hit?.status ?? "";
}

async function showKinds(context: CliContext, kinds: KindIndex, flags: GetFlags): Promise<void> {
  await kinds.load();
  const rows = kinds
    .all()
    .map((k) => [k.plural, k.shortNames.join(","), apiVersionOf(k), String(k.namespaced), k.kind])
    .sort((a, b) => (`${a[2]}${a[0]}` < `${b[2]}${b[0]}` ? -1 : 1));
  const head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"];
  context.process.stdout.write(
    table(head, rows, { headers: flags.noHeaders !== true, bold: context.style.bold }),
  );
}

/** Cases of translation as data: `in.yaml` -> model, statuses, xDS. `GOLDEN=1 bun test test/golden` rewrites them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  createRegistry,
  type DescMessage,
  fromBinary,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { parseAllDocuments } from "yaml";
import type { Mesh, MtlsMode } from "../../src/mesh/model/index.ts";
import { type ProxyNode, type Rendered, renderFor } from "../../src/mesh/render/index.ts";
import {
  buildSnapshot,
  type KubeObject,
  type Translation,
  translate,
} from "../../src/mesh/translate/index.ts";
import { BasicAuthSchema } from "../../src/proto/gen/envoy/extensions/filters/http/basic_auth/v3/basic_auth_pb.js";
import {
  CorsPolicySchema,
  CorsSchema,
} from "../../src/proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { HTTPFaultSchema } from "../../src/proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { LocalRateLimitSchema } from "../../src/proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js";
import { ConfigSchema as SetFilterStateSchema } from "../../src/proto/gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js";
import { HttpInspectorSchema } from "../../src/proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import { PreviousHostsPredicateSchema } from "../../src/proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js";
import { PreviousPrioritiesConfigSchema } from "../../src/proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js";
import { InternalUpstreamTransportSchema } from "../../src/proto/gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js";
import { extensionRegistry, resourceSchema } from "../../src/proxy/compile/index.ts";

/** What Weft's proxy reads, and what only Envoy is told. */
const registry = createRegistry(
  extensionRegistry,
  LocalRateLimitSchema,
  CorsPolicySchema,
  CorsSchema,
  HTTPFaultSchema,
  PreviousHostsPredicateSchema,
  PreviousPrioritiesConfigSchema,
  BasicAuthSchema,
  SetFilterStateSchema,
  HttpInspectorSchema,
  InternalUpstreamTransportSchema,
);

const here = import.meta.dir;
const root = join(here, "../..");

export interface Case {
  readonly name: string;
  readonly dir: string;
  readonly objects: readonly KubeObject[];
  readonly mtls: MtlsMode;
  /** `namespace/name` of the workloads whose proxies are rendered. */
  readonly nodes: readonly string[];
  /** The same, rendered as for an Envoy beside an agent: with what Weft's own proxy is not told yet. */
  readonly envoys: readonly string[];
  /** Listeners that a gRPC client or server subscribes to. */
  readonly asked: readonly string[];
}

/** Comment lines `# key: value` at the head of in.yaml. */
function header(text: string, key: string): readonly string[] {
  const line = new RegExp(`^# ${key}: (.*)$`, "m").exec(text)?.[1];
  return line?.trim().split(/\s+/) ?? [];
}

export function parseObjects(text: string): readonly KubeObject[] {
  return parseAllDocuments(text).flatMap((d) => {
    const value: unknown = d.toJS();
    return value === null ? [] : [value as KubeObject];
  });
}

export function cases(): readonly Case[] {
  return readdirSync(here, { withFileTypes: true })
    .filter((e) => e.isDirectory() && existsSync(join(here, e.name, "in.yaml")))
    .map((e) => e.name)
    .sort()
    .map((name) => readCase(join(here, name)));
}

/** The case in a folder. */
export function readCase(dir: string): Case {
  const text = readFileSync(join(dir, "in.yaml"), "utf8");
  const files = header(text, "with").map((f) => readFileSync(join(root, f), "utf8"));
  return {
    name: basename(dir),
    dir,
    objects: [...files, text].flatMap(parseObjects),
    mtls: (header(text, "mtls")[0] ?? "strict") as MtlsMode,
    nodes: header(text, "node"),
    envoys: header(text, "envoy"),
    asked: header(text, "ask"),
  };
}

export function translateCase(c: Case, objects: readonly KubeObject[] = c.objects): Translation {
  return translate(buildSnapshot(objects), { defaultMtls: c.mtls });
}

/** The node of a workload as its sidecar would present itself; a name that nobody has is a client only. */
export function nodeOf(mesh: Mesh, key: string): ProxyNode {
  const [namespace = "", workload = ""] = key.split("/");
  const w = mesh.workloads.find((x) => x.key === key);
  return {
    id: `sidecar~${key}`,
    kind: "weft",
    namespace,
    serviceAccount: w?.serviceAccount ?? workload,
    workload,
    address: w?.address ?? "127.66.9.9",
    labels: w?.labels ?? {},
    features: [],
  };
}

export function render(c: Case, mesh: Mesh): ReadonlyMap<string, Rendered> {
  return new Map([
    ...c.nodes.map((key) => [key, renderFor(mesh, nodeOf(mesh, key))] as const),
    ...c.envoys.map((key) => {
      const node: ProxyNode = { ...nodeOf(mesh, key), kind: "envoy" };
      return [`${envoyMark}${key}`, renderFor(mesh, node)] as const;
    }),
  ]);
}

/** Before the name of a node that is an Envoy. */
export const envoyMark = "envoy ";

/** Every resource decoded, so that what is judged is the bytes. */
export function decode(
  rendered: Rendered,
): readonly { typeUrl: string; name: string; message: Message; json: JsonValue }[] {
  return [...rendered].flatMap(([typeUrl, resources]) =>
    [...resources.values()].map(({ name, bytes }) => {
      const schema = resourceSchema(typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) as DescMessage;
      const message = fromBinary(schema, bytes);
      return { typeUrl, name, message, json: toJson(schema, message, { registry }) };
    }),
  );
}

export function xdsJson(all: ReadonlyMap<string, Rendered>): unknown {
  return Object.fromEntries(
    [...all].map(([node, rendered]) => [
      node,
      Object.fromEntries(
        [...Map.groupBy(decode(rendered), (r) => r.typeUrl.slice(r.typeUrl.lastIndexOf(".") + 1))].map(
          ([type, list]) => [type, Object.fromEntries(list.map((r) => [r.name, r.json]))],
        ),
      ),
    ]),
  );
}

/** The expected text; with GOLDEN=1 what is given becomes it. */
export function golden(c: Case, stage: string, value: unknown): { got: string; want: string } {
  const file = join(c.dir, `out.${stage}.golden.json`);
  const got = `${JSON.stringify(value, null, 1)}\n`;
  if (process.env["GOLDEN"] === "1") writeFileSync(file, got);
  return { got, want: existsSync(file) ? readFileSync(file, "utf8") : "" };
}

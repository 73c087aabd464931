/** An Envoy v3 bootstrap file to what the proxy runs. Loads protobuf: see compile-child.ts for why it runs apart. */
import { fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { type Bootstrap, BootstrapSchema } from "../../proto/gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { redact } from "../admin/redact/index.ts";
import {
  type CompiledResource,
  checkFields,
  compileMessage,
  extensionRegistry,
  Findings,
  Path,
  type Problem,
  resourceSchema,
  type SecretSource,
  secretResource,
  socketAddress,
} from "../compile/index.ts";
import { checkJson, PositionedText } from "../text/index.ts";
import { type ControlClusters, controlClusters, discoveryOf } from "./dynamic.ts";
import { maxBootstrapBytes } from "./limits.ts";
import type { BootstrapProblem, BootstrapResult, CompiledBootstrap } from "./types.ts";

interface Loaded {
  readonly resources: { readonly resource: CompiledResource; readonly json: string }[];
  readonly secrets: SecretSource[];
}

/** `file` is for messages only; nothing is read from disk. */
export function parseBootstrap(text: string, file: string): BootstrapResult {
  const findings = new Findings();
  if (text.length > maxBootstrapBytes) {
    const where = { file, line: 1, column: 1, text: "" };
    return {
      ok: false,
      errors: [{ path: "", message: `is above ${maxBootstrapBytes} bytes`, where }],
      warnings: [],
    };
  }
  const source = new PositionedText(text, file);
  if (source.errors.length > 0)
    return { ok: false, errors: source.errors.map((e) => ({ path: "", ...e })), warnings: [] };
  const bootstrap = compile(source.value as JsonValue, findings);
  const placed = (problems: readonly Problem[]): BootstrapProblem[] =>
    problems.map(({ path, keys, message }) => ({ path, message, where: source.at(keys) }));
  const warnings = placed(findings.warnings);
  if (!bootstrap || findings.errors.length > 0)
    return { ok: false, errors: placed(findings.errors), warnings };
  return { ok: true, bootstrap, warnings };
}

function compile(json: JsonValue, findings: Findings): CompiledBootstrap | undefined {
  const root = Path.root("");
  checkJson(BootstrapSchema, json ?? {}, root, findings);
  if (findings.errors.length > 0) return undefined;
  let message: Bootstrap;
  try {
    message = fromJson(BootstrapSchema, json ?? {}, { registry: extensionRegistry });
  } catch (e) {
    findings.error(root, e instanceof Error ? e.message : String(e));
    return undefined;
  }
  // Resources are checked one by one as they are compiled.
  const { staticResources: _, ...rest } = message;
  checkFields(BootstrapSchema, rest as Message, root, findings);
  const control = controlClusters(message, root, findings);
  const loaded = resourcesOf(message, control, root.at("static_resources"), findings);
  const discovery = discoveryOf(message, control, loaded, root, findings);
  const admin = message.admin?.address;
  const { region = "", zone = "", subZone = "" } = message.node?.locality ?? {};
  const adminAddress = admin && socketAddress(admin, root.at("admin").at("address"), findings, true);
  return {
    node: {
      id: message.node?.id ?? "",
      cluster: message.node?.cluster ?? "",
      metadata: (message.node?.metadata ?? {}) as Readonly<Record<string, unknown>>,
      ...(message.node?.locality ? { locality: { region, zone, subZone } } : {}),
    },
    ...(adminAddress ? { admin: { address: adminAddress.host, port: adminAddress.port } } : {}),
    ...loaded,
    ...(discovery ? { discovery } : {}),
    json: JSON.stringify(redact(toJson(BootstrapSchema, message, jsonOptions))),
  };
}

const jsonOptions = { registry: extensionRegistry, useProtoFieldName: true };

function resourcesOf(message: Bootstrap, control: ControlClusters, path: Path, findings: Findings): Loaded {
  const { clusters = [], listeners = [], secrets = [] } = message.staticResources ?? {};
  const loaded: Loaded = { resources: [], secrets: [] };
  const seen = new Set<string>();
  const add = (item: Message, at: Path): void => {
    const outcome = compileMessage(item, at);
    // A configuration server's cluster need not be one that requests can go to.
    if (item.$typeName === ClusterSchema.typeName && control.only.has(outcome.name) && !outcome.resource)
      return;
    findings.errors.push(...outcome.errors);
    findings.warnings.push(...outcome.warnings);
    const key = `${item.$typeName}\0${outcome.name}`;
    if (seen.has(key)) findings.error(at.at("name"), `${JSON.stringify(outcome.name)} is there already`);
    seen.add(key);
    const schema = resourceSchema(item.$typeName);
    if (!outcome.resource || !schema) return;
    const json = JSON.stringify(redact(toJson(schema, item, jsonOptions)));
    loaded.resources.push({ resource: outcome.resource, json });
  };
  for (const [i, c] of clusters.entries()) add(c, path.at("clusters").at(i));
  for (const [i, l] of listeners.entries()) add(l, path.at("listeners").at(i));
  for (const [i, s] of secrets.entries())
    loaded.secrets.push(secretResource(s, path.at("secrets").at(i), findings));
  return loaded;
}

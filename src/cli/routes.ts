import { buildCommand } from "@stricli/core";
import { ruleFlags } from "./capture/flags.ts";
import { capture } from "./capture/routes.ts";
import type { ApplyFlags } from "./commands/apply.ts";
import type { ControlPlaneFlags } from "./commands/control-plane.ts";
import type { DeleteFlags } from "./commands/delete.ts";
import type { DemoFlags } from "./commands/demo.ts";
import type { DevFlags } from "./commands/dev.ts";
import type { GetFlags } from "./commands/get.ts";
import type { InstallFlags } from "./commands/install.ts";
import type { ProxyFlags } from "./commands/proxy.ts";
import type { ProxyStatusFlags } from "./commands/proxy-status.ts";
import type { RunFlags } from "./commands/run.ts";
import type { VersionFlags } from "./commands/version.ts";
import type { WhyFlags } from "./commands/why.ts";
import type { CliContext } from "./context.ts";
import {
  clientFlags,
  durationFlag,
  kubeconfigFlag,
  listFlag,
  numberFlag,
  switchFlag,
  textFlag,
  wordArgument,
} from "./flags.ts";
import { proxyConfigRoutes } from "./proxy-config/routes.ts";
import { backup, check, restore, token } from "./upkeep/routes.ts";

const port = (brief: string) => numberFlag(brief, "PORT", 0, 65535);
const logLevel = textFlag("log level: trace, debug, info, warn, error, off", "LEVEL");
const logFormat = {
  kind: "enum",
  values: ["json", "text"],
  optional: true,
  brief: "log format (default: text on a terminal, else json)",
} as const;
const names = (placeholder: string, brief: string) =>
  ({ kind: "array", parameter: wordArgument(placeholder, brief) }) as const;

const mtlsFlag = {
  kind: "enum",
  values: ["strict", "permissive"],
  optional: true,
  brief: "mutual TLS where no PeerAuthentication says otherwise (default: strict)",
} as const;

const planeFlags = {
  xdsPort: port("xDS and CA over TLS (default 15012; 0: any)"),
  plainXdsPort: port("xDS without TLS, loopback (default 15010; 0: any)"),
  debugPort: port("metrics and debug (default 15014; 0: any)"),
  defaultMtls: mtlsFlag,
  certificateTtl: durationFlag(
    "longest life of a certificate of the mesh (default 2160h; sidecars ask for 24h and renew at half of what they get)",
    10_000,
    2160 * 3_600_000,
  ),
  logLevel,
  logFormat,
};

const dev = buildCommand<DevFlags, [], CliContext>({
  loader: async () => (await import("./commands/dev.ts")).dev,
  parameters: {
    flags: {
      ...planeFlags,
      dataDir: textFlag("where state lives (default ./.weft)", "DIR"),
      apiPort: port("API server (default 6443, or a free one where that is taken; 0: any)"),
      filename: textFlag("apply this manifest or directory and say what acts", "FILE|DIR"),
    },
    aliases: { f: "filename" },
  },
  docs: { brief: "API server, control plane and CA in one process, on loopback" },
});

const controlPlane = buildCommand<ControlPlaneFlags, [], CliContext>({
  loader: async () => (await import("./commands/control-plane.ts")).controlPlane,
  parameters: {
    flags: {
      ...planeFlags,
      kubeconfig: kubeconfigFlag,
      host: textFlag("address to listen on (default 127.0.0.1)", "IP"),
    },
  },
  docs: { brief: "control plane and CA against any Kubernetes API" },
});

const run = buildCommand<RunFlags, string[], CliContext>({
  loader: async () => (await import("./commands/run.ts")).run,
  parameters: {
    flags: {
      ...clientFlags,
      join: textFlag(
        "file with what `weft token create` wrote, instead of a kubeconfig (or WEFT_JOIN)",
        "FILE",
      ),
      service: textFlag("service that the command belongs to (required)", "NAME"),
      version: textFlag("label `version` of this instance", "V"),
      port: numberFlag("the service's port (required)", "PORT", 1, 65535),
      appPort: port("port on 127.0.0.1 where the command listens (default: a free one, told in PORT)"),
      serviceAccount: textFlag("service account (default: the service's name)", "SA"),
      readyPath: textFlag(
        "ready when GET on this path answers 2xx or 3xx (default: the port accepts)",
        "PATH",
      ),
      address: textFlag("address of the workload (default: allotted in 127.66.0.0/16)", "IP"),
      stateDir: textFlag("state folder (default: ~/.local/state/weft)", "DIR"),
      concurrency: numberFlag("data threads (default 2, at most the cores)", "N", 1, 64),
      proxy: {
        kind: "enum",
        values: ["weft", "envoy", "grpc"],
        optional: true,
        brief: "what stands beside the command (default: weft); grpc: no proxy, it speaks xDS itself",
      },
      transparent: switchFlag(
        "a network of its own, whose connections and names all come to the proxy; the command needs to know nothing",
      ),
      captured: switchFlag("the rules are there already (`weft capture install`): listen where they lead"),
      ...ruleFlags,
      envoyPath: textFlag("Envoy's program, with --proxy envoy (default: envoy on PATH)", "FILE"),
      logLevel,
      logFormat,
    },
    positional: names("COMMAND", "the application and its arguments, after --"),
    aliases: { n: "namespace" },
  },
  docs: { brief: "run a command with a sidecar beside it" },
});

const manifests = listFlag("manifest file, directory, or - for stdin (repeatable)", "FILE|DIR|-");
const dryRun = {
  kind: "enum",
  values: ["none", "client", "server"],
  optional: true,
  brief: "client: check only here; server: check there without storing",
} as const;

const apply = buildCommand<ApplyFlags, [], CliContext>({
  loader: async () => (await import("./commands/apply.ts")).apply,
  parameters: {
    flags: { ...clientFlags, filename: manifests, dryRun, output: textFlag("name, json or yaml", "FORMAT") },
    aliases: { f: "filename", n: "namespace", o: "output" },
  },
  docs: { brief: "create or change the objects of a manifest; errors name file, line and column" },
});

const install = buildCommand<InstallFlags, [], CliContext>({
  loader: async () => (await import("./commands/install.ts")).install,
  parameters: {
    flags: {
      ...clientFlags,
      crds: switchFlag("the CustomResourceDefinitions of the kinds that Weft reads (required)"),
      dryRun,
      output: textFlag(
        "yaml or json: print, install nothing; for kubectl apply --server-side -f -",
        "FORMAT",
      ),
    },
    aliases: { n: "namespace", o: "output" },
  },
  docs: { brief: "make a Kubernetes cluster ready for Weft" },
});

const validate = buildCommand<{ readonly filename?: readonly string[] }, string[], CliContext>({
  loader: async () => (await import("./commands/validate.ts")).validate,
  parameters: {
    flags: { filename: manifests },
    positional: names("FILE|DIR|-", "manifests"),
    aliases: { f: "filename" },
  },
  docs: { brief: "check manifests without an API server" },
});

const get = buildCommand<GetFlags, string[], CliContext>({
  loader: async () => (await import("./commands/get.ts")).get,
  parameters: {
    flags: {
      ...clientFlags,
      output: textFlag("wide, name, json or yaml", "FORMAT"),
      selector: textFlag("label selector", "LABELS"),
      allNamespaces: switchFlag("all namespaces"),
      noHeaders: switchFlag("leave out the header line"),
    },
    positional: names("KIND [NAME]", "kind, or kind/name"),
    aliases: { n: "namespace", o: "output", l: "selector", A: "allNamespaces" },
  },
  docs: { brief: "show objects" },
});

const deletion = buildCommand<DeleteFlags, string[], CliContext>({
  loader: async () => (await import("./commands/delete.ts")).deleteObjects,
  parameters: {
    flags: {
      ...clientFlags,
      filename: manifests,
      output: textFlag("name", "FORMAT"),
      ignoreNotFound: switchFlag("no error for what does not exist"),
    },
    positional: names("KIND NAME", "kind and names, or kind/name"),
    aliases: { f: "filename", n: "namespace", o: "output" },
  },
  docs: { brief: "delete objects by name or by manifest" },
});

const proxy = buildCommand<ProxyFlags, [], CliContext>({
  loader: async () => (await import("./commands/proxy.ts")).proxy,
  parameters: {
    flags: {
      config: textFlag("Envoy v3 bootstrap, YAML or JSON (required)", "FILE"),
      concurrency: numberFlag("data threads (default 2, at most the cores)", "N", 1, 64),
      logLevel,
      logFormat,
    },
    aliases: { c: "config" },
  },
  docs: { brief: "run the proxy alone from an Envoy bootstrap file" },
});

const proxyStatus = buildCommand<ProxyStatusFlags, [], CliContext>({
  loader: async () => (await import("./commands/proxy-status.ts")).proxyStatus,
  parameters: {
    flags: {
      ...clientFlags,
      output: textFlag("json, yaml, wide or name", "FORMAT"),
      noHeaders: switchFlag("leave out the header line"),
    },
    aliases: { n: "namespace", o: "output" },
  },
  docs: { brief: "which proxies are connected and what they have accepted (alias: ps)" },
});

const why = buildCommand<WhyFlags, [string, string], CliContext>({
  loader: async () => (await import("./commands/why.ts")).why,
  parameters: {
    flags: {
      ...clientFlags,
      method: textFlag("request method (default GET)", "METHOD"),
      path: textFlag("request path (default /)", "PATH"),
      header: listFlag("request header, `name: value` (repeatable)", "HEADER"),
      output: textFlag("json or yaml", "FORMAT"),
      defaultMtls: mtlsFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        wordArgument("SRC", "calling workload or service, NAME or NAME.NAMESPACE"),
        wordArgument("DST", "called host, as the caller writes it, with or without :port"),
      ],
    },
    aliases: { n: "namespace", o: "output" },
  },
  docs: { brief: "which route, policy and endpoints a request would meet, and which object decided" },
});

const version = buildCommand<VersionFlags, [], CliContext>({
  loader: async () => (await import("./commands/version.ts")).version,
  parameters: { flags: { output: textFlag("json or yaml", "FORMAT") }, aliases: { o: "output" } },
  docs: { brief: "print the version" },
});

const demo = buildCommand<DemoFlags, [], CliContext>({
  loader: async () => (await import("./commands/demo.ts")).demo,
  parameters: {
    flags: {
      out: textFlag("write expected and observed of each step as JSON", "FILE"),
      cluster: textFlag("play on this Kubernetes cluster, in namespace default (a kubeconfig)", "FILE"),
      without: textFlag("leave this manifest out: exactly the steps that rest on it fail", "MANIFEST"),
    },
  },
  docs: { brief: "tell the story: a mesh on this machine, four manifests, real traffic" },
});

const demoApp = buildCommand<Record<never, never>, [string, string?], CliContext>({
  loader: async () => (await import("./commands/demo.ts")).demoApp,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        wordArgument("NAME", "application"),
        { ...wordArgument("VERSION", "version"), optional: true },
      ],
    },
  },
  docs: { brief: "one of the demo's small applications" },
});

/** Every command by its name. */
export const routes = {
  capture,
  check,
  token,
  backup,
  restore,
  dev,
  run,
  apply,
  get,
  delete: deletion,
  "proxy-status": proxyStatus,
  "proxy-config": proxyConfigRoutes,
  why,
  proxy,
  "control-plane": controlPlane,
  install,
  validate,
  demo,
  version,
  "demo-app": demoApp,
};

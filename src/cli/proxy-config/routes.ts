/** The commands under `weft proxy-config`. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { ProxyConfigFlags } from "../commands/proxy-config.ts";
import type { CliContext } from "../context.ts";
import { clientFlags, numberFlag, switchFlag, textFlag, wordArgument } from "../flags.ts";
import type { Section } from "./tables.ts";

const common = {
  ...clientFlags,
  file: textFlag("read a saved config_dump instead (Weft's, Envoy's or istioctl's)", "FILE"),
  admin: textFlag("ask the admin pages at this address instead", "HOST:PORT"),
  output: textFlag("short, json or yaml", "FORMAT"),
  noHeaders: switchFlag("leave out the header line"),
};

const filters = {
  fqdn: textFlag("only this host; `reviews` means every host of that name", "HOST"),
  port: numberFlag("only this port", "PORT", 0, 65535),
  direction: {
    kind: "enum",
    values: ["inbound", "outbound"],
    optional: true,
    brief: "only this direction",
  } as const,
  subset: textFlag("only this subset", "NAME"),
  name: textFlag("only the resource of this name", "NAME"),
  address: textFlag("only this IP address", "IP"),
  cluster: textFlag("only endpoints of this cluster", "NAME"),
  status: textFlag("only endpoints in this state: healthy, unhealthy, draining", "STATE"),
};

/** What each table can be narrowed by; other filters mean nothing there. */
const narrowedBy: Readonly<Record<Section | "all", readonly (keyof typeof filters)[]>> = {
  clusters: ["fqdn", "port", "direction", "subset", "name"],
  listeners: ["port", "direction", "name", "address"],
  routes: ["fqdn", "port", "name"],
  endpoints: ["fqdn", "port", "direction", "subset", "address", "cluster", "status"],
  secrets: ["name"],
  bootstrap: [],
  all: ["fqdn", "port", "direction", "subset", "name", "address"],
};

const briefs: Readonly<Record<Section | "all", string>> = {
  clusters: "where requests can be sent (alias: c)",
  listeners: "where connections come in (alias: l)",
  routes: "which requests go where (alias: r)",
  endpoints: "who serves, and how they are (alias: ep)",
  secrets: "certificates in use; never keys (alias: s)",
  bootstrap: "what the proxy was started with (alias: b)",
  all: "everything (alias: a)",
};

type Flags = Required<
  Parameters<typeof buildCommand<ProxyConfigFlags, [string?], CliContext>>[0]
>["parameters"]["flags"];

function command(section: Section | "all") {
  const own = Object.fromEntries(narrowedBy[section].map((name) => [name, filters[name]]));
  return buildCommand<ProxyConfigFlags, [string?], CliContext>({
    loader: async () => (await import("../commands/proxy-config.ts")).proxyConfig(section),
    parameters: {
      flags: { ...common, ...own } as Flags,
      positional: {
        kind: "tuple",
        parameters: [
          {
            ...wordArgument("INSTANCE", "instance, NAME or NAME.NAMESPACE, or a service with one instance"),
            optional: true,
          },
        ],
      },
      aliases: { n: "namespace", o: "output", f: "file" },
    },
    docs: { brief: briefs[section] },
  });
}

export const proxyConfigRoutes = buildRouteMap({
  routes: {
    clusters: command("clusters"),
    listeners: command("listeners"),
    routes: command("routes"),
    endpoints: command("endpoints"),
    secrets: command("secrets"),
    bootstrap: command("bootstrap"),
    all: command("all"),
  },
  aliases: {
    cluster: "clusters",
    c: "clusters",
    listener: "listeners",
    l: "listeners",
    route: "routes",
    r: "routes",
    endpoint: "endpoints",
    ep: "endpoints",
    secret: "secrets",
    s: "secrets",
    b: "bootstrap",
    a: "all",
  },
  docs: { brief: "what a proxy runs on, and which object made each row (alias: pc)" },
});

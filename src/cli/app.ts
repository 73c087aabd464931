import { type Application, buildApplication, buildRouteMap } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { errorTexts, exitOf } from "./errors.ts";
import { routes } from "./routes.ts";
import type { Style } from "./style.ts";

/** The command table as a Stricli application; commands are loaded when they are called. */
export function buildWeft(talk: Style, version: string): Application<CliContext> {
  const root = buildRouteMap<keyof typeof routes, CliContext>({
    routes,
    aliases: { ps: "proxy-status", pc: "proxy-config" } as Record<string, keyof typeof routes>,
    docs: {
      brief: "Weft: a service mesh that runs on a laptop and on Kubernetes",
      hideRoute: { "demo-app": true },
    },
  });
  return buildApplication(root, {
    name: "weft",
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: {
      caseStyle: "convert-camel-to-kebab",
      disableAnsiColor: true,
      onlyRequiredInUsageLine: true,
    },
    localization: { text: errorTexts(talk) },
    determineExitCode: exitOf,
  });
}

/** The commands that look after a mesh: `weft check`, `weft token`. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { RestoreFlags } from "../commands/backup.ts";
import type { CheckFlags } from "../commands/check.ts";
import type { TokenFlags } from "../commands/token.ts";
import type { CliContext } from "../context.ts";
import { type ClientFlags, clientFlags, numberFlag, textFlag, wordArgument } from "../flags.ts";

export const check = buildCommand<CheckFlags, [], CliContext>({
  loader: async () => (await import("../commands/check.ts")).check,
  parameters: {
    flags: {
      ...clientFlags,
      output: textFlag("json or yaml", "FORMAT"),
      wait: numberFlag("look again for so long until nothing is wrong (default 0)", "SECONDS", 0, 3600),
    },
    aliases: { n: "namespace", o: "output" },
  },
  docs: { brief: "look at control plane, store, certificates, versions, clock and ports" },
});

export const backup = buildCommand<ClientFlags, [string], CliContext>({
  loader: async () => (await import("../commands/backup.ts")).backup,
  parameters: {
    flags: clientFlags,
    positional: { kind: "tuple", parameters: [wordArgument("FILE", "file to write")] },
    aliases: { n: "namespace" },
  },
  docs: { brief: "copy the running API server's objects and keys into one file" },
});

export const restore = buildCommand<RestoreFlags, [string], CliContext>({
  loader: async () => (await import("../commands/backup.ts")).restore,
  parameters: {
    flags: { dataDir: textFlag("data directory of the server, which must not run (default ./.weft)", "DIR") },
    positional: { kind: "tuple", parameters: [wordArgument("FILE", "what `weft backup` wrote")] },
  },
  docs: { brief: "make a data directory what a backup holds" },
});

const create = buildCommand<TokenFlags, [], CliContext>({
  loader: async () => (await import("../commands/token.ts")).createToken,
  parameters: {
    flags: {
      ...clientFlags,
      service: textFlag("service that the machine will run (required)", "NAME"),
      serviceAccount: textFlag("service account (default: the service's name)", "SA"),
      port: numberFlag("the service's port: creates the Service where it is absent", "PORT", 1, 65535),
      duration: textFlag("life of the token, 10m or more (default 1h)", "TIME"),
      server: textFlag("address of the API server as that machine reaches it", "URL"),
      output: textFlag("json or yaml", "FORMAT"),
    },
    aliases: { n: "namespace", o: "output" },
  },
  docs: { brief: "write what a machine without a kubeconfig needs to join" },
});

export const token = buildRouteMap({
  routes: { create },
  docs: { brief: "let machines without a kubeconfig join" },
});

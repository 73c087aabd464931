/** Which API server a command talks to. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Problem } from "../app/problem/index.ts";
import {
  createKubeClient,
  type KubeClient,
  type KubeConfig,
  KubeconfigError,
  loadKubeconfig,
} from "../kube/client/index.ts";
import type { CliContext } from "./context.ts";
import type { ClientFlags } from "./flags.ts";

/** Default data directory of `weft dev`, below the working directory. */
export const defaultDataDir = ".weft";

/** The file that a flag, the environment or the working directory names; undefined: the usual places. */
export function kubeconfigPath({ env, cwd }: CliContext, flag: string | undefined): string | undefined {
  const dev = join(cwd, defaultDataDir, "kubeconfig");
  const named = flag ?? env["WEFT_KUBECONFIG"];
  return named ? resolve(cwd, named) : !env["KUBECONFIG"] && existsSync(dev) ? dev : undefined;
}

/**
 * --kubeconfig, WEFT_KUBECONFIG, KUBECONFIG, what `weft dev` wrote below the working directory, the pod's account,
 * ~/.kube/config.
 */
export function findKubeconfig(context: CliContext, flag: string | undefined): KubeConfig {
  const { env } = context;
  const path = kubeconfigPath(context, flag);
  try {
    return loadKubeconfig({ path, env });
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    throw new Problem("no API server is known", {
      why: error.message,
      mend: "start one with `weft dev`, or name a kubeconfig with --kubeconfig",
    });
  }
}

export interface Session {
  readonly client: KubeClient;
  readonly namespace: string;
}

/** Client and namespace of a command; no connection is made yet. */
export function openSession(context: CliContext, flags: ClientFlags): Session {
  const config = findKubeconfig(context, flags.kubeconfig);
  return {
    client: createKubeClient(config, { clock: context.clock }),
    namespace: flags.namespace ?? config.namespace,
  };
}

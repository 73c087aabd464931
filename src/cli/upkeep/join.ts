/** As whom `weft run` talks to the API server: by kubeconfig, or by what `weft token create` wrote. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { decodeTicket, joinedConfig, type TokenKeeper } from "../../app/join/index.ts";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { defaultStateRoot } from "../../app/sidecar/index.ts";
import type { Logger } from "../../base/index.ts";
import { openSession, type Session } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";

export interface RunSession extends Session {
  /** Of a machine that joined: renews its token. */
  readonly keeper?: TokenKeeper;
  /** Of a machine that joined: the account of its token. */
  readonly serviceAccount?: string;
}

interface JoinFlags extends ClientFlags {
  readonly join?: string;
  readonly service?: string;
  readonly serviceAccount?: string;
  readonly stateDir?: string;
}

/** --join FILE, else a kubeconfig that is named, else WEFT_JOIN, else a kubeconfig in the usual places. */
export async function openRunSession(
  context: CliContext,
  flags: JoinFlags,
  log: Logger,
): Promise<RunSession> {
  const text = ticketText(context, flags);
  if (text === undefined) return openSession(context, flags);
  const ticket = decodeTicket(text);
  const asked = { namespace: flags.namespace, service: flags.service, serviceAccount: flags.serviceAccount };
  for (const [field, value] of Object.entries(asked)) {
    const granted = ticket[field as keyof typeof asked];
    if (value !== undefined && value !== granted)
      throw new Problem(`the join token is for ${field} ${granted}, not ${value}`, {
        mend: `\`weft token create --service ${flags.service}\` writes one that fits`,
        exit: exitStatus.usage,
      });
  }
  const name = `join-${ticket.namespace}-${ticket.serviceAccount}.json`;
  const file =
    flags.stateDir === undefined
      ? join(defaultStateRoot(context.env), name)
      : join(resolve(context.cwd, flags.stateDir), name);
  const { client, keeper } = joinedConfig({ ticket, file, clock: context.clock, log: log.child("join") });
  return { client, namespace: ticket.namespace, serviceAccount: ticket.serviceAccount, keeper };
}

function ticketText({ env, cwd }: CliContext, flags: JoinFlags): string | undefined {
  if (flags.join !== undefined) {
    try {
      return readFileSync(resolve(cwd, flags.join), "utf8");
    } catch (error) {
      throw new Problem(`--join ${flags.join} cannot be read`, {
        why: error instanceof Error ? error.message : String(error),
        exit: exitStatus.usage,
      });
    }
  }
  return flags.kubeconfig === undefined ? env["WEFT_JOIN"] || undefined : undefined;
}

import { createTicket, encodeTicket, rootDigest } from "../../app/join/index.ts";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { encodeData, formatOf } from "../output.ts";

export interface TokenFlags extends ClientFlags {
  readonly service?: string;
  readonly serviceAccount?: string;
  readonly port?: number;
  readonly duration?: string;
  readonly server?: string;
  readonly output?: string;
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90m` -> 5400; at least the 10 minutes that API servers give. */
export function secondsOf(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * units[match[2]!]!;
  if (seconds < 600)
    throw new Problem(`--duration ${text}: at least 10 minutes, as 30m, 12h or 2d`, {
      exit: exitStatus.usage,
    });
  return seconds;
}

/** `weft token create`: stdout is the one line that the machine needs; what it holds goes to stderr. */
export async function createToken(this: CliContext, flags: TokenFlags): Promise<void> {
  const format = formatOf(flags.output, ["json", "yaml"]);
  const { service } = flags;
  if (service === undefined)
    throw new Problem("--service is required", {
      mend: "for example: weft token create --service reviews --port 9080",
      exit: exitStatus.usage,
    });
  const { client, namespace } = openSession(this, flags);
  const { ticket, expiresAtMs } = await createTicket(client, {
    namespace,
    service,
    serviceAccount: flags.serviceAccount ?? service,
    ...(flags.port === undefined ? {} : { port: flags.port }),
    seconds: secondsOf(flags.duration ?? "1h"),
    ...(flags.server === undefined ? {} : { server: flags.server.replace(/\/+$/, "") }),
  });
  const line = encodeTicket(ticket);
  const digest = rootDigest(ticket.caPem);
  const until = new Date(expiresAtMs).toISOString();
  if (format !== undefined) {
    const { server, token, serviceAccount } = ticket;
    const item = {
      server,
      rootDigest: digest,
      namespace,
      service,
      serviceAccount,
      token,
      expires: until,
      join: line,
    };
    this.process.stdout.write(
      await encodeData({ apiVersion: "weft.dev/v1", kind: "JoinToken", ...item }, format),
    );
    return;
  }
  this.process.stdout.write(`${line}\n`);
  const { dim } = this.talk;
  this.process.stderr.write(
    [
      `${dim("API server")}  ${ticket.server}`,
      `${dim("its root")}    ${digest}`,
      `${dim("account")}     ${namespace}/${ticket.serviceAccount}, until ${until}`,
      `${dim("there")}       weft run --join FILE --service ${service} --port ${flags.port ?? "PORT"} -- COMMAND`,
      "",
    ].join("\n"),
  );
}

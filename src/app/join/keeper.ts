/** A joined machine's token: renewed at half its life and kept on disk, so that the first one is needed only once. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Logger, Timer } from "../../base/index.ts";
import { createKubeClient, type KubeClient, type KubeConfig } from "../../kube/client/index.ts";
import type { Ticket } from "./ticket.ts";

/** Asked for; API servers may give less. */
const tokenSeconds = 24 * 3_600;
const retryMs = 30_000;
/** A renewed token that is refused is asked for again at once, but not in a loop. */
const checkMs = 60_000;

export interface TokenKeeper {
  /** Renews until stopped. */
  start(): void;
  stop(): void;
}

export interface Joined {
  readonly client: KubeClient;
  readonly keeper: TokenKeeper;
}

interface Kept {
  readonly token: string;
  /** The ticket's own token: another one is a new invitation. */
  readonly from: string;
}

/** `iat` and `exp` of a JWT in ms; undefined where it is none. Nothing rests on them but when to renew. */
export function lifeOf(token: string): { readonly from: number; readonly to: number } | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as {
      iat?: unknown;
      exp?: unknown;
    };
    if (typeof claims.exp !== "number") return undefined;
    const from = typeof claims.iat === "number" ? claims.iat : claims.exp - 3_600;
    return { from: from * 1000, to: claims.exp * 1000 };
  } catch {
    return undefined;
  }
}

function load(file: string, from: string): string | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as Partial<Kept>;
    return kept.from === from && typeof kept.token === "string" ? kept.token : undefined;
  } catch {
    return undefined;
  }
}

function save(file: string, kept: Kept): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(kept)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** A client by the ticket, with the newest token; `file` keeps it over restarts. */
export function joinedConfig(options: {
  readonly ticket: Ticket;
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
}): Joined {
  const { ticket, file, clock, log } = options;
  const first = new Bun.CryptoHasher("sha256").update(ticket.token).digest("hex");
  let token = load(file, first) ?? ticket.token;
  const config: KubeConfig = {
    server: ticket.server,
    caPem: ticket.caPem,
    token: () => token,
    namespace: ticket.namespace,
    context: "join",
  };
  const client = createKubeClient(config, { clock });
  let timer: Timer | undefined;
  let stopped = false;
  const plan = (ms: number): void => {
    if (!stopped) timer = clock.after(ms, () => void renew());
  };
  const next = (): number => {
    const life = lifeOf(token);
    if (life === undefined) return checkMs;
    return Math.max(0, Math.min(checkMs, (life.from + life.to) / 2 - clock.wall()));
  };
  const renew = async (): Promise<void> => {
    const life = lifeOf(token);
    if (life !== undefined && clock.wall() < (life.from + life.to) / 2) return plan(next());
    try {
      const made = await client.tokenRequest(ticket.namespace, ticket.serviceAccount, {
        seconds: tokenSeconds,
      });
      token = made.token;
      save(file, { token, from: first });
      log.info("the machine's token was renewed", { until: new Date(made.expiresAtMs).toISOString() });
      plan(Math.max(checkMs, next()));
    } catch (error) {
      log.warn("the machine's token could not be renewed", { error: String(error) });
      plan(retryMs);
    }
  };
  return {
    client,
    keeper: {
      start: () => plan(next()),
      stop() {
        stopped = true;
        timer?.cancel();
      },
    },
  };
}

/** Filter chains of a listener compiled, and which of them takes a connection (Envoy's FilterChainMatch). */
import { createTlsServer, type TlsServer, type TlsServerOptions } from "../../wire/tls/index.ts";
import type { DownstreamTls, FilterChainConfig, ListenerConfig } from "../config/index.ts";
import { createManager, type Manager } from "./manager.ts";
import type { Plane } from "./plane.ts";
import type { Secrets } from "./secrets.ts";
import { type SocketSlot, tlsHandlers } from "./socket.ts";
import { alpnOf, compileVerifier, version } from "./verify.ts";

export interface Chain {
  readonly config: FilterChainConfig;
  readonly manager: Manager | null;
  /** Key of `tls` in the listener's servers; "" for plaintext chains. */
  readonly tlsKey: string;
}

export function compileChain(plane: Plane, listener: ListenerConfig, config: FilterChainConfig): Chain {
  const owner = config.owner ?? listener.owner;
  const place = { direction: listener.direction, listener: listener.name, owner };
  return {
    config,
    manager: config.filter.kind === "http" ? createManager(plane, config.filter.http, place) : null,
    tlsKey: config.tls ? JSON.stringify(config.tls) : "",
  };
}

export interface ConnectionTraits {
  readonly tls: boolean;
  readonly sni: string;
  readonly alpn: readonly string[];
  readonly localPort: number;
}

/** Most specific first, criterion by criterion, as Envoy: port, server name, transport, application protocol. */
export function chooseChain<T extends { readonly config: FilterChainConfig }>(
  chains: readonly T[],
  traits: ConnectionTraits,
): T | null {
  let best: T | null = null;
  let bestScore = -1;
  for (const chain of chains) {
    const score = chainScore(chain.config, traits);
    if (score > bestScore) {
      best = chain;
      bestScore = score;
    }
  }
  return best;
}

/** -1: does not match. Server names: exact over longer wildcard over none. */
function chainScore(config: FilterChainConfig, traits: ConnectionTraits): number {
  let score = 0;
  if (config.destinationPort !== undefined) {
    if (config.destinationPort !== traits.localPort) return -1;
    score += 1_000_000;
  }
  if (config.serverNames.length > 0) {
    const name = serverNameScore(config.serverNames, traits.sni);
    if (name < 0) return -1;
    score += name * 100;
  }
  if (config.transportProtocol !== "") {
    if ((config.transportProtocol === "tls") !== traits.tls) return -1;
    score += 10;
  }
  if (config.alpn.length > 0) {
    if (!config.alpn.some((name) => traits.alpn.includes(name))) return -1;
    score += 1;
  }
  return score;
}

function serverNameScore(names: readonly string[], sni: string): number {
  let best = -1;
  for (const name of names) {
    if (name === sni) return 1000;
    if (name.startsWith("*.") && sni.endsWith(name.slice(1)) && sni.length >= name.length) {
      best = Math.max(best, name.length);
    }
  }
  return best;
}

/** TLS servers of a listener by configuration; a server follows its secrets. Null while a secret is missing. */
export class ChainTls {
  private readonly servers = new Map<
    string,
    { server: TlsServer<SocketSlot> | null; readonly stop: () => void }
  >();
  private readonly secrets: Secrets;

  constructor(secrets: Secrets) {
    this.secrets = secrets;
  }

  get(key: string, config: DownstreamTls): TlsServer<SocketSlot> | null {
    const known = this.servers.get(key);
    if (known) return known.server;
    const entry: { server: TlsServer<SocketSlot> | null; stop: () => void } = {
      server: null,
      stop: () => undefined,
    };
    const refresh = (): void => {
      const options = serverOptions(config, this.secrets);
      if (options === null) return;
      if (entry.server) entry.server.update(options);
      else entry.server = createTlsServer(options, tlsHandlers, { clock: this.secrets.clock });
    };
    this.secrets.tell(refresh);
    entry.stop = this.secrets.follow([config.certSecret, config.validation?.caSecret], refresh);
    this.servers.set(key, entry);
    return entry.server;
  }

  /** Servers that no chain uses any more let go of their secrets. */
  keep(keys: ReadonlySet<string>): void {
    for (const [key, entry] of this.servers) {
      if (keys.has(key)) continue;
      entry.stop();
      this.servers.delete(key);
    }
  }
}

function serverOptions(config: DownstreamTls, secrets: Secrets): TlsServerOptions | null {
  const own = secrets.get(config.certSecret);
  const trust = config.validation ? secrets.get(config.validation.caSecret) : undefined;
  if (!own?.certPem || !own.keyPem || (config.validation && !trust?.caPem)) return null;
  return {
    cert: own.certPem,
    key: own.keyPem,
    ca: trust?.caPem ?? "",
    alpn: alpnOf(config.alpn, true),
    minVersion: version(config.minVersion, 771),
    maxVersion: version(config.maxVersion, 772),
    requireClientCertificate: config.requireClientCertificate,
    verifyPeer: config.validation
      ? compileVerifier(config.validation, "client", secrets.clock)
      : () => ({ ok: true, principal: "" }),
  };
}

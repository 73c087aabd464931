/** How a cluster reaches its endpoints: plain TCP, or TLS with the identity and trust of the moment. */
import {
  createTlsClient,
  type TlsClient,
  type TlsClientOptions,
  type TlsInfo,
} from "../../wire/tls/index.ts";
import type { UpstreamTls } from "../config/index.ts";
import type { Net, Target } from "./net.ts";
import type { Secrets } from "./secrets.ts";
import { type SocketSlot, tlsHandlers } from "./socket.ts";
import { alpnOf, compileVerifier, version } from "./verify.ts";

export interface Transport {
  /**
   * Whether a connection is the mesh's: mutual TLS to one of the SPIFFE identities that the cluster names. What such
   * a peer says of itself is believed, and who we are is told to nobody else.
   */
  trusts(info: TlsInfo | null): boolean;
  /** Starts connecting; the user hears of it by onOpen or onRefused. Returns how to give up. */
  connect(target: Target, slot: SocketSlot): () => void;
  /** Follows its secrets no longer; what was begun goes on. */
  stop(): void;
}

const nothing = (): void => undefined;

/** Plain TCP, from an address of this machine where one is given (upstream_bind_config). */
export function plainTransport(net: Net, localAddress?: string): Transport {
  return {
    trusts: () => false,
    connect: (target, slot) => net.connect(target, slot, localAddress),
    stop: nothing,
  };
}

/** A TLS transport; it follows its secrets. Until they are there, connecting fails. */
export function tlsTransport(config: UpstreamTls, secrets: Secrets): Transport {
  let client: TlsClient<SocketSlot> | null = null;
  // Without a list of identities every workload that the bundle vouches for could stand in for the server.
  const named = config.validation?.mode === "spiffe" && config.validation.sans.length > 0;
  let missing = "";
  const names = [config.certSecret, config.validation?.caSecret];
  const refresh = (): void => {
    const own = config.certSecret === undefined ? undefined : secrets.get(config.certSecret);
    const trust = config.validation ? secrets.get(config.validation.caSecret) : undefined;
    missing = "";
    if (config.certSecret !== undefined && !(own?.certPem && own.keyPem)) missing = config.certSecret;
    else if (!trust?.caPem) missing = config.validation?.caSecret ?? "validation context";
    if (missing !== "") return;
    const options: TlsClientOptions = {
      ca: trust!.caPem!,
      alpn: alpnOf(config.alpn),
      minVersion: version(config.minVersion, 771),
      maxVersion: version(config.maxVersion, 772),
      sni: config.sni,
      verifyPeer: compileVerifier(config.validation!, "server", secrets.clock),
      ...(own ? { identity: { cert: own.certPem!, key: own.keyPem! } } : {}),
    };
    if (client) client.update(options);
    else client = createTlsClient(options, tlsHandlers);
  };
  secrets.tell(refresh);
  const unfollow = secrets.follow(names, refresh);
  return {
    trusts: (info) => named && info?.mutual === true && info.principal !== "",
    stop: unfollow,
    connect(target, slot) {
      if (client === null) {
        const detail =
          missing === ""
            ? `secrets ${names.filter((n) => n !== undefined).join(", ")} cannot be used`
            : `secret ${missing} is not there`;
        queueMicrotask(() => slot.user.onRefused({ code: "tls.connect", detail }));
        return nothing;
      }
      const dial = client.connect(target, slot);
      return () => dial.cancel();
    },
  };
}

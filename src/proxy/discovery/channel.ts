/** Connections to configuration servers: one per attempt, so that new certificate files count at the next. */
import { readFile } from "node:fs/promises";
import type { PeerCertificate } from "node:tls";
import type { Clock } from "../../base/index.ts";
import { createGrpcChannel, type GrpcChannel, type GrpcChannelOptions } from "../../wire/grpc/index.ts";
import type { TextSource } from "../compile/index.ts";
import type { GrpcSource, SanMatch, TargetTls } from "./types.ts";

export interface Channels {
  /** The channel for the n-th attempt. */
  at(attempt: number): Pick<GrpcChannel, "bidi">;
  close(): void;
}

const textOf = async (source: TextSource | undefined): Promise<string | undefined> =>
  source?.kind === "file" ? readFile(source.path, "utf8") : source?.text;

async function tlsOptions(tls: TargetTls): Promise<Partial<GrpcChannelOptions>> {
  const [ca, cert, key] = await Promise.all([tls.ca, tls.cert, tls.key].map(textOf));
  const { identity } = tls;
  return {
    ...(ca === undefined ? { systemRoots: true } : { caPem: ca }),
    ...(cert === undefined || key === undefined ? {} : { identity: { certPem: cert, keyPem: key } }),
    ...(tls.sni === "" ? {} : { serverName: tls.sni }),
    ...(identity === "host"
      ? {}
      : { verifyServer: (certificate: PeerCertificate) => judge(certificate, identity) }),
  };
}

/** The chain is verified already. */
function judge(certificate: PeerCertificate, identity: readonly SanMatch[]): Error | undefined {
  if (identity.length === 0) return undefined;
  const sans = sansOf(certificate.subjectaltname ?? "");
  const ok = identity.some((m) => sans.some((san) => san.type === m.type && fits(san.value, m)));
  return ok ? undefined : new Error("the server's certificate has none of the names that are expected");
}

const labels: Readonly<Record<string, SanMatch["type"]>> = { DNS: "dns", URI: "uri", "IP Address": "ip" };

/** `DNS:a, URI:spiffe://x, IP Address:1.2.3.4`; a name that is quoted is taken for none. */
export function sansOf(text: string): { type: SanMatch["type"]; value: string }[] {
  return text.split(", ").flatMap((part) => {
    const at = part.indexOf(":");
    const type = labels[part.slice(0, at)];
    const value = part.slice(at + 1);
    return type === undefined || value.startsWith('"') ? [] : [{ type, value }];
  });
}

function fits(value: string, { kind, value: wanted }: SanMatch): boolean {
  if (kind === "exact") return value === wanted;
  if (kind === "prefix") return value.startsWith(wanted);
  if (kind === "suffix") return value.endsWith(wanted);
  return value.includes(wanted);
}

export function channelsTo({ target, metadata }: GrpcSource, clock: Clock): Channels {
  let current: GrpcChannel | undefined;
  return {
    at: (attempt) => ({
      async bidi(path, decode) {
        current?.close();
        current = undefined;
        const address = target.addresses[attempt % target.addresses.length] ?? "";
        current = createGrpcChannel({
          target: address,
          ...(target.tls === undefined ? {} : await tlsOptions(target.tls)),
          ...(target.authority === undefined ? {} : { authority: target.authority }),
          metadata,
          clock,
        });
        return current.bidi(path, decode);
      },
    }),
    close: () => current?.close(),
  };
}

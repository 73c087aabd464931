/** What the mesh itself knows the answer to. Pure. */
import type { Rng } from "../../base/index.ts";
import { type Answer, classAny, classIn, type Question, rcode, rrType } from "../../wire/dns/index.ts";
import { formatIp, parseIp } from "../../wire/ip/index.ts";
import type { Entry, NameBook } from "./book.ts";
import { limits } from "./limits.ts";

export interface LocalAnswer {
  readonly rcode: number;
  readonly answers: readonly Answer[];
  readonly authority: readonly Answer[];
  readonly additional: readonly Answer[];
}

export interface LocalOptions {
  readonly book: NameBook;
  /** False: no IPv6 here; addresses of it would only be tried in vain. */
  readonly ipv6: boolean;
  readonly rng: Rng;
}

/** Undefined: somebody else's name. */
export function answerLocally(question: Question, options: LocalOptions): LocalAnswer | undefined {
  const { name, type } = question;
  if (question.class !== classIn && question.class !== classAny) return undefined;
  if (name === "localhost" || name.endsWith(".localhost")) return localhost(question, options);
  if (name.endsWith(".in-addr.arpa") || name.endsWith(".ip6.arpa")) return reverse(question, options);
  const { book } = options;
  const entry = book.find(name);
  if (entry !== undefined) {
    if (type === rrType.SRV) return services(question, entry, entry.ports, options);
    return ok(question, addresses(name, entry, type, options), options);
  }
  const service = serviceOf(name, book);
  if (service !== undefined) {
    const ports = service.entry.ports.filter((p) => p.name === service.port);
    if (ports.length === 0 || service.protocol !== "tcp") return nothing(options, rcode.nxDomain);
    return type === rrType.SRV
      ? services(question, service.entry, ports, options)
      : nothing(options, rcode.ok);
  }
  const zone = `svc.${book.clusterDomain}`;
  if (name !== zone && !name.endsWith(`.${zone}`)) return undefined;
  return nothing(options, book.hasBelow(name) || name === zone ? rcode.ok : rcode.nxDomain);
}

/** `_http._tcp.reviews.default.svc...` */
function serviceOf(name: string, book: NameBook) {
  const match = /^_([^.]+)\._([^.]+)\.(.+)$/.exec(name);
  const entry = match && book.find(match[3]!);
  return entry ? { entry, port: match[1]!, protocol: match[2]! } : undefined;
}

/** No such name, or nothing of that type: held as long as the zone's SOA says. */
function nothing({ book }: LocalOptions, code: number): LocalAnswer {
  const zone = book.clusterDomain;
  const soa: Answer = {
    ...{ kind: "soa", name: zone, ttl: limits.endpointTtl, minimum: limits.endpointTtl },
    ...{ server: `ns.dns.${zone}`, mailbox: `hostmaster.${zone}` },
  };
  return { rcode: code, answers: [], authority: [soa], additional: [] };
}

function ok(_question: Question, answers: readonly Answer[], options: LocalOptions): LocalAnswer {
  if (answers.length === 0) return nothing(options, rcode.ok);
  return { rcode: rcode.ok, answers, authority: [], additional: [] };
}

function addresses(name: string, entry: Entry, type: number, { ipv6, rng }: LocalOptions): Answer[] {
  const any = type === rrType.ANY;
  const list = [
    ...(any || type === rrType.A ? entry.v4 : []),
    ...(ipv6 && (any || type === rrType.AAAA) ? entry.v6 : []),
  ];
  const ttl = entry.fleeting ? limits.endpointTtl : limits.serviceTtl;
  return shuffled(list, rng)
    .slice(0, limits.addresses)
    .map((address) => ({ kind: "address", name, ttl, address }));
}

/** The first is what most programs take: each asker gets another. */
function shuffled<T>(list: readonly T[], rng: Rng): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}

function services(
  question: Question,
  entry: Entry,
  ports: Entry["ports"],
  options: LocalOptions,
): LocalAnswer {
  const targets = entry.endpoints.length > 0 ? entry.endpoints : [entry.host];
  const ttl = entry.fleeting ? limits.endpointTtl : limits.serviceTtl;
  const chosen = shuffled(targets, options.rng).slice(0, limits.addresses);
  const answers = chosen.flatMap((target) =>
    ports.map(
      (port): Answer => ({
        ...{ kind: "srv", name: question.name, ttl, target },
        ...{ priority: 0, weight: Math.max(1, Math.floor(100 / targets.length)), port: port.number },
      }),
    ),
  );
  if (answers.length === 0) return nothing(options, rcode.ok);
  const additional = chosen.flatMap((target) => {
    const at = options.book.find(target);
    return at ? addresses(target, at, rrType.ANY, options) : [];
  });
  return { rcode: rcode.ok, answers, authority: [], additional };
}

function localhost(question: Question, options: LocalOptions): LocalAnswer {
  const entry: Entry = {
    ...{ host: "localhost", ports: [], endpoints: [], fleeting: false },
    v4: [Uint8Array.of(127, 0, 0, 1)],
    v6: [parseIp("::1")!],
  };
  return ok(question, addresses(question.name, entry, question.type, options), options);
}

/** Addresses of the mesh have names; of those that only exist here nobody else would know one. */
function reverse(question: Question, options: LocalOptions): LocalAnswer | undefined {
  const address = reversed(question.name);
  const host = address === undefined ? undefined : options.book.reverse(address);
  if (host !== undefined) {
    if (question.type !== rrType.PTR && question.type !== rrType.ANY) return nothing(options, rcode.ok);
    const ptr: Answer = { kind: "ptr", name: question.name, ttl: limits.endpointTtl, target: host };
    return { rcode: rcode.ok, answers: [ptr], authority: [], additional: [] };
  }
  const ours = address?.startsWith("240.240.") || address?.startsWith("fd77:240::");
  return ours ? nothing(options, rcode.nxDomain) : undefined;
}

/** `1.0.240.240.in-addr.arpa` as `240.240.0.1`; 32 nibbles likewise. */
export function reversed(name: string): string | undefined {
  if (name.endsWith(".in-addr.arpa")) {
    const parts = name.slice(0, -".in-addr.arpa".length).split(".");
    const bytes = parts.length === 4 ? parseIp(parts.reverse().join(".")) : undefined;
    return bytes && formatIp(bytes);
  }
  const digits = name.slice(0, -".ip6.arpa".length).split(".");
  if (digits.length !== 32 || digits.some((d) => !/^[0-9a-f]$/.test(d))) return undefined;
  return formatIp(Uint8Array.fromHex(digits.reverse().join("")));
}

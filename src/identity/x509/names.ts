/** Subject alternative names: read one by one from DER, never from a joined string (HARDENING 32). */
import { isIP } from "node:net";
import { children, context, DerError, type DerNode, readDer, tag } from "./der.ts";
import { der, sequence } from "./der-write.ts";

export interface AltNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  /** Textual addresses. */
  readonly ips: readonly string[];
  readonly emails: readonly string[];
  /** Names of other types. */
  readonly others: number;
}

export const noNames: AltNames = { uris: [], dns: [], ips: [], emails: [], others: 0 };

/** Bytes as they are, a NUL included: a comparison or grammar must see it, not a C string's end. */
function ia5(node: DerNode): string {
  if (node.content.some((byte) => byte >= 0x80)) throw new DerError("a name has a byte outside ASCII");
  return Buffer.from(node.content).toString("latin1");
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new DerError("an address has neither 4 nor 16 bytes");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return groups.join(":");
}

export function readAltNames(bytes: Uint8Array): AltNames {
  const uris: string[] = [];
  const dns: string[] = [];
  const ips: string[] = [];
  const emails: string[] = [];
  let others = 0;
  for (const name of children(readDer(bytes, tag.sequence))) {
    if (name.tag === context(6, false)) uris.push(ia5(name));
    else if (name.tag === context(2, false)) dns.push(ia5(name));
    else if (name.tag === context(1, false)) emails.push(ia5(name));
    else if (name.tag === context(7, false)) ips.push(address(name.content));
    else others++;
  }
  return { uris, dns, ips, emails, others };
}

/** Eight groups without "::", lower case, as readAltNames gives them; IPv4 unchanged. */
export function canonicalIp(text: string): string {
  return address(ipBytes(text));
}

function ipBytes(text: string): Uint8Array {
  if (isIP(text) === 4) return Uint8Array.from(text.split("."), Number);
  if (isIP(text) !== 6 || text.includes("%")) throw new DerError(`${JSON.stringify(text)} is no IP address`);
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const plain = dotted
    ? text.slice(0, dotted.index) +
      `${((Number(dotted[1]) << 8) | Number(dotted[2])).toString(16)}:` +
      ((Number(dotted[3]) << 8) | Number(dotted[4])).toString(16)
    : text;
  const [left = "", right] = plain.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((g) => Number.parseInt(g, 16));
  const head = groups(left);
  const rest = right === undefined ? [] : groups(right);
  const all =
    right === undefined ? head : [...head, ...new Array(8 - head.length - rest.length).fill(0), ...rest];
  return Uint8Array.from(all.flatMap((g) => [g >> 8, g & 0xff]));
}

export interface AltNameInput {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
}

/** Content of the extension; latin1, so that tests can write what must be refused. */
export function writeAltNames(names: AltNameInput): Buffer {
  const text = (n: number, value: string): Buffer => der(context(n, false), Buffer.from(value, "latin1"));
  return sequence(
    ...(names.uris ?? []).map((uri) => text(6, uri)),
    ...(names.dns ?? []).map((name) => text(2, name)),
    ...(names.ips ?? []).map((ip) => der(context(7, false), ipBytes(ip))),
  );
}

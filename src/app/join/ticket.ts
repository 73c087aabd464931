/** What a machine is given to join: where the API server is, which root proves it, and a token of one account. */
import { parseCertificates } from "../../identity/x509/index.ts";
import { exitStatus, Problem } from "../problem/index.ts";

export interface Ticket {
  /** `https://host:port`. */
  readonly server: string;
  /** Root certificate of the API server: the whole of it, so that not even the first request is unproven. */
  readonly caPem: string;
  readonly namespace: string;
  readonly service: string;
  readonly serviceAccount: string;
  /** For the API server itself. */
  readonly token: string;
}

const prefix = "weft-join-1.";
/** Longest text looked at. */
const maxLength = 64 * 1024;

export const encodeTicket = (ticket: Ticket): string =>
  prefix + Buffer.from(JSON.stringify(ticket)).toString("base64url");

/** The ticket in a text, whatever blanks surround it; a Problem where it is none. */
export function decodeTicket(text: string): Ticket {
  const wrong = (why: string): Problem =>
    new Problem("this is no join token", {
      why,
      mend: "take the line that `weft token create` wrote, whole",
      exit: exitStatus.usage,
    });
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) throw wrong(`it does not begin with ${prefix}`);
  if (trimmed.length > maxLength) throw wrong("it is too long");
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(trimmed.slice(prefix.length), "base64url").toString("utf8"));
  } catch {
    throw wrong("it is cut off or garbled");
  }
  const fields = value as Partial<Record<keyof Ticket, unknown>> | null;
  const of = (field: keyof Ticket): string => {
    const found = fields?.[field];
    if (typeof found !== "string" || found === "") throw wrong(`it has no ${field}`);
    return found;
  };
  const server = of("server");
  if (!/^https:\/\/[^\s/]+$/.test(server)) throw wrong(`${server} is no address of an API server`);
  return {
    server,
    caPem: of("caPem"),
    namespace: of("namespace"),
    service: of("service"),
    serviceAccount: of("serviceAccount"),
    token: of("token"),
  };
}

/** `sha256:<hex>` over the root's public key, as kubeadm writes it: for people to compare. */
export function rootDigest(caPem: string): string {
  const [root] = parseCertificates(caPem);
  if (root === undefined) return "none";
  return `sha256:${new Bun.CryptoHasher("sha256").update(root.publicKey.spki).digest("hex")}`;
}

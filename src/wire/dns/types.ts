/** Numbers of RFC 1035 and those that came after it. */
export const rrType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;

export const rcode = {
  ok: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;

export const classIn = 1;
export const classAny = 255;

export interface Question {
  /** Lower case, without the final dot; the root is "". Bytes that are no host name's are written `\ddd`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** As it was sent, case and all: an answer repeats it. */
  readonly raw: Uint8Array;
}

export interface Edns {
  /** Octets that the asker takes over UDP. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

export interface Query {
  readonly id: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly question: Question;
  readonly edns?: Edns;
}

/** Resource records that Weft writes itself. */
export type Answer = { readonly name: string; readonly ttl: number } & (
  | { readonly kind: "address"; readonly address: Uint8Array }
  | { readonly kind: "ptr"; readonly target: string }
  | {
      readonly kind: "srv";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly kind: "soa"; readonly server: string; readonly mailbox: string; readonly minimum: number }
);

export interface Response {
  readonly id: number;
  readonly recursionDesired: boolean;
  readonly authoritative: boolean;
  readonly rcode: number;
  /** Undefined: the query could not be read. */
  readonly question?: Question;
  readonly answers: readonly Answer[];
  readonly authority: readonly Answer[];
  readonly additional: readonly Answer[];
  /** The asker spoke EDNS. */
  readonly edns: boolean;
}

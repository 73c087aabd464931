/** Calls as handlers and callers see them; grpc-js stays behind this line. */

import type { PeerCertificate } from "node:tls";
import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { Clock, Logger } from "../../base/index.ts";
import type { VerifyPeer } from "../tls/index.ts";

/** Request metadata: names are lower case. */
export interface CallMetadata {
  /** The first value; undefined where absent. Binary (`-bin`) values are not handed out. */
  get(name: string): string | undefined;
}

/** Who is at the other end of the connection. */
export interface CallPeer {
  /** `address:port`. */
  readonly address: string;
  readonly encrypted: boolean;
  /** Of a verified client certificate: SPIFFE id, and the leaf as DER. */
  readonly principal?: string;
  readonly leaf?: Uint8Array;
}

export interface CallContext {
  readonly metadata: CallMetadata;
  readonly peer: CallPeer;
}

/** One bidirectional stream on the server. Callbacks are set by the handler before it returns. */
export interface ServerStream<Request> extends CallContext {
  onMessage: (message: Request) => void;
  /** The client sends no more. */
  onEnd: () => void;
  /** Gone, for whatever reason; exactly once. */
  onClose: () => void;
  onDrain: () => void;
  /** One encoded message. False: wait for onDrain before the next. */
  write(message: Uint8Array): boolean;
  /** Ends with a status; OK without one. */
  end(error?: { code: number; message: string }): void;
}

export interface GrpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly kind: "unary" | "bidi";
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode: (message: unknown) => Uint8Array;
  readonly handle: unknown;
}

export type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Promise<MessageShape<O>>;

export interface GrpcTls {
  readonly certPem: string;
  readonly keyPem: string;
  /** Trust bundle for client certificates. */
  readonly caPem: string;
}

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** A Unix socket in place of host and port, mode 0600; a file that is there is replaced. */
  readonly path?: string;
  /** Absent: plaintext, for loopback only. */
  readonly tls?: GrpcTls;
  /** Asked for each client certificate that chains to `caPem`; a client without one is served. */
  readonly verifyPeer?: VerifyPeer;
  readonly methods: readonly GrpcMethod[];
  readonly log: Logger;
  readonly clock: Clock;
}

export interface GrpcServer {
  readonly host: string;
  readonly port: number;
  /** Connections now. */
  readonly connections: number;
  /** Connections refused for their certificate since start. */
  readonly refused: number;
  /** Certificates for connections to come. */
  rotate(tls: GrpcTls): void;
  /** Ends streams, waits for them at most 2 s, closes the port. */
  stop(): Promise<void>;
}

/** One bidirectional stream on the client. */
export interface ClientStream<Response> {
  onMessage: (message: Response) => void;
  /** Ended, with its status; exactly once. */
  onClose: (status: { code: number; message: string }) => void;
  write(message: Uint8Array): void;
  cancel(): void;
}

export interface GrpcChannelOptions {
  /** `host:port`, or with a scheme of gRPC's: `unix:/run/x.sock`, `dns:///host:port`. */
  readonly target: string;
  /** Only certificates under this root are accepted. Absent: plaintext, and then no token is sent. */
  readonly caPem?: string;
  /** The roots that the runtime trusts, in place of `caPem`. */
  readonly systemRoots?: boolean;
  /** Name to verify in the server's certificate, where it is not the target's. */
  readonly serverName?: string;
  /** Judges a certificate whose chain is verified, in place of its name. */
  readonly verifyServer?: (certificate: PeerCertificate) => Error | undefined;
  /** :authority; default: the target. */
  readonly authority?: string;
  /** Sent with each call. */
  readonly metadata?: readonly (readonly [name: string, value: string])[];
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
  /** Asked before each call; sent as `authorization: Bearer`. */
  readonly token?: () => Promise<string>;
  readonly clock: Clock;
}

export interface GrpcChannel {
  /** Rejects with GrpcError. Default deadline 10 s. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    request: MessageShape<I>,
    options?: { deadlineMs?: number },
  ): Promise<MessageShape<O>>;
  /** `decode` gets each message's bytes; what it throws ends the stream. */
  bidi<Response>(path: string, decode: (bytes: Uint8Array) => Response): Promise<ClientStream<Response>>;
  close(): void;
}

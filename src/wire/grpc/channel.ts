/** Client side: one channel to one server, trust pinned to one root, a fresh token for each call. */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { GrpcError, grpcCode } from "./error.ts";
import { limits } from "./limits.ts";
import { methodPath } from "./methods.ts";
import type { ClientStream, GrpcChannel, GrpcChannelOptions } from "./types.ts";

const addressSni = "address.invalid";

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const isSecure = ({ caPem, systemRoots }: GrpcChannelOptions): boolean =>
  caPem !== undefined || systemRoots === true;

/** `host:port` or `dns:///host:port`; empty for a Unix socket. */
function hostOf(target: string): string {
  if (target.startsWith("unix:")) return "";
  const address = target.replace(/^[a-z0-9]+:(\/\/[^/]*\/)?(?=.*:)/, "");
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

function createClient(options: GrpcChannelOptions): Client {
  const { caPem, identity, authority, verifyServer } = options;
  const host = options.serverName ?? hostOf(options.target);
  const trust = !isSecure(options)
    ? credentials.createInsecure()
    : credentials.createSsl(
        caPem === undefined ? null : Buffer.from(caPem),
        identity === undefined ? null : Buffer.from(identity.keyPem),
        identity === undefined ? null : Buffer.from(identity.certPem),
        {
          checkServerIdentity: (_name, certificate) =>
            verifyServer === undefined ? checkServerIdentity(host, certificate) : verifyServer(certificate),
        },
      );
  return new Client(options.target, trust, {
    "grpc.max_receive_message_length": limits.maxClientReceiveBytes,
    "grpc.keepalive_time_ms": limits.keepaliveMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    // The callers have their own backoff; the channel's must not add to it.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
    // Never through the proxy that this process may itself be.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_channelz": 0,
    // Node refuses an IP address as SNI, which grpc-js would send; `host` is what is verified all the same.
    "grpc.ssl_target_name_override": isIP(host) === 0 && host !== "" ? host : addressSni,
    ...(authority === undefined ? {} : { "grpc.default_authority": authority }),
  });
}

function fromServiceError(error: ServiceError): GrpcError {
  return new GrpcError(error.code ?? grpcCode.unknown, error.details || error.message);
}

/** Connects at the first call. A token over plaintext is a RangeError: it would be readable. */
export function createGrpcChannel(options: GrpcChannelOptions): GrpcChannel {
  if (options.token !== undefined && !isSecure(options))
    throw new RangeError("a token is sent only over TLS: give caPem");
  const client = createClient(options);

  async function metadata(): Promise<Metadata> {
    const m = new Metadata();
    for (const [name, value] of options.metadata ?? []) m.add(name, value);
    if (options.token !== undefined) m.set("authorization", `Bearer ${await options.token()}`);
    return m;
  }

  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethod & { input: I; output: O },
      request: MessageShape<I>,
      o: { deadlineMs?: number } = {},
    ): Promise<MessageShape<O>> {
      const m = await metadata();
      const deadline = options.clock.wall() + (o.deadlineMs ?? limits.unaryDeadlineMs);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          methodPath(method),
          (message: MessageShape<I>) => asBuffer(toBinary(method.input, message)),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          request,
          m,
          { deadline },
          (error, response) => {
            if (error !== null) reject(fromServiceError(error));
            else if (response === undefined) reject(new GrpcError(grpcCode.internal, "no response"));
            else resolve(response);
          },
        );
      });
    },
    async bidi<Response>(path: string, decode: (bytes: Uint8Array) => Response) {
      const call = client.makeBidiStreamRequest(
        path,
        (message: Uint8Array) => asBuffer(message),
        (bytes: Buffer) => decode(bytes),
        await metadata(),
      );
      let closed = false;
      const stream: ClientStream<Response> = {
        onMessage: () => {},
        onClose: () => {},
        write: (message) => {
          if (!closed) call.write(message);
        },
        cancel: () => call.cancel(),
      };
      const close = (status: { code: number; message: string }): void => {
        if (closed) return;
        closed = true;
        stream.onClose(status);
      };
      call.on("data", (message: Response) => stream.onMessage(message));
      call.on("error", (error: ServiceError) => close({ code: error.code, message: error.details }));
      call.on("status", (status) => close({ code: status.code, message: status.details }));
      return stream;
    },
    close: () => client.close(),
  };
}

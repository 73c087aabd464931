/**
 * gRPC server on grpc-js. TLS ends in front of it, so that WindowMend sees plain HTTP/2 frames and a client
 * certificate may be optional: no certificate is served, a bad one is refused.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { bidiHandler, type CallEnvironment, unaryHandler } from "./calls.ts";
import { grpcCode } from "./error.ts";
import { limits } from "./limits.ts";
import { MendedSocket } from "./mended-socket.ts";
import type { CallPeer, GrpcServer, GrpcServerOptions, GrpcTls } from "./types.ts";

const unknownPeer: CallPeer = { address: "unknown", encrypted: false };

interface PeerCert {
  readonly raw?: Buffer;
  readonly issuerCertificate?: PeerCert;
}

/** Leaf first; ends at a self-signed certificate. */
function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let at = socket.getPeerCertificate(true) as unknown as PeerCert | undefined;
  while (at?.raw !== undefined && chain.length < 10) {
    chain.push(new Uint8Array(at.raw));
    if (at.issuerCertificate === at) break;
    at = at.issuerCertificate;
  }
  return chain;
}

/** A plain peer, a verified one, or why it is refused. */
function judge(socket: TLSSocket, address: string, options: GrpcServerOptions): CallPeer | string {
  const chain = chainOf(socket);
  const leaf = chain[0];
  if (leaf === undefined) return { address, encrypted: true };
  if (!socket.authorized) return `untrusted certificate: ${socket.authorizationError ?? "not authorized"}`;
  if (options.verifyPeer === undefined) return { address, encrypted: true, leaf };
  try {
    const verdict = options.verifyPeer(leaf, chain);
    return verdict.ok ? { address, encrypted: true, leaf, principal: verdict.principal } : verdict.reason;
  } catch (error) {
    return `verifying failed: ${error instanceof Error ? error.message : error}`;
  }
}

class Connections {
  readonly peers = new Map<string, CallPeer>();
  readonly sockets = new Set<Socket>();
  refused = 0;
  private counter = 0;
  private readonly options: GrpcServerOptions;
  private readonly inject: (socket: MendedSocket) => void;

  constructor(options: GrpcServerOptions, inject: (socket: MendedSocket) => void) {
    this.options = options;
    this.inject = inject;
  }

  /** A raw connection was accepted; TLS, if any, still to come. */
  accepted(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.sockets.size >= limits.maxConnections) {
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
  }

  ready(socket: Socket | TLSSocket): void {
    const unix = this.options.path === undefined ? undefined : { address: "unix", port: ++this.counter };
    const { address: host, port } = unix ?? { address: socket.remoteAddress, port: socket.remotePort };
    const address = `${host}:${port}`;
    const secure = this.options.tls !== undefined;
    const peer = secure ? judge(socket as TLSSocket, address, this.options) : { address, encrypted: false };
    if (typeof peer === "string") {
      this.refused++;
      this.options.log.warn("client certificate refused", { peer: address, reason: peer });
      socket.destroy();
      return;
    }
    this.peers.set(address, peer);
    const silent = this.options.clock.after(limits.handshakeTimeoutMs, () => socket.destroy());
    socket.on("close", () => {
      silent.cancel();
      this.peers.delete(address);
    });
    const onGreeted = (): void => silent.cancel();
    this.inject(new MendedSocket(socket, { encrypted: secure, onGreeted, ...(unix && { peer: unix }) }));
  }
}

const contextOf = (tls: GrpcTls) => ({ cert: tls.certPem, key: tls.keyPem, ca: tls.caPem });

function createListener(options: GrpcServerOptions, connections: Connections) {
  const { tls } = options;
  if (tls === undefined) {
    const plain = createServer((socket) => {
      connections.accepted(socket);
      if (!socket.destroyed) connections.ready(socket);
    });
    return { listener: plain, rotate: () => {} };
  }
  const secure = createTlsServer(
    {
      ...contextOf(tls),
      requestCert: true,
      // One port serves callers with a token and callers with a certificate; `judge` refuses bad ones.
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.handshakeTimeoutMs,
    },
    (socket) => connections.ready(socket),
  );
  secure.on("connection", (socket: Socket) => connections.accepted(socket));
  secure.on("tlsClientError", (error, socket) => {
    options.log.debug("TLS handshake failed", { error: error.message });
    socket.destroy();
  });
  return { listener: secure, rotate: (next: GrpcTls) => secure.setSecureContext(contextOf(next)) };
}

function createCore(options: GrpcServerOptions, env: CallEnvironment): Server {
  const server = new Server({
    "grpc.max_concurrent_streams": limits.maxConcurrentStreams,
    "grpc.max_receive_message_length": limits.maxServerReceiveBytes,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": limits.keepaliveMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });
  for (const method of options.methods) {
    const definition = {
      path: method.path,
      requestStream: method.kind === "bidi",
      responseStream: method.kind === "bidi",
      requestDeserialize: (bytes: Buffer) => method.decode(bytes),
      responseSerialize: (message: unknown) => asBuffer(method.encode(message)),
      requestSerialize: (message: unknown) => asBuffer(message as Uint8Array),
      responseDeserialize: (bytes: Buffer) => bytes,
    };
    const handler = method.kind === "unary" ? unaryHandler(method, env) : bidiHandler(method, env);
    server.addService({ call: definition }, { call: handler as never });
  }
  return server;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Rejects where the port cannot be bound. */
export async function createGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const streams: CallEnvironment["streams"] = new Set();
  const peerOf = (address: string): CallPeer => connections.peers.get(address) ?? { ...unknownPeer, address };
  const core = createCore(options, { log: options.log, streams, peerOf });
  const injector = core.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Connections(options, (socket) => injector.injectConnection(socket));
  const { listener, rotate } = createListener(options, connections);
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    const { host, port, path } = options;
    if (path !== undefined) rmSync(path, { force: true });
    listener.listen(path === undefined ? { host, port } : { path }, () => resolve());
  });
  if (options.path !== undefined) chmodSync(options.path, 0o600);
  listener.on("error", (error) => options.log.error("gRPC listener", { error }));
  const bound = listener.address();
  return {
    host: options.host,
    port: typeof bound === "object" && bound !== null ? bound.port : options.port,
    get connections() {
      return connections.sockets.size;
    },
    get refused() {
      return connections.refused;
    },
    rotate,
    async stop() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const stream of [...streams])
        stream.end({ code: grpcCode.unavailable, message: "the server stops" });
      await flushed(options, streams);
      injector.destroy();
      core.forceShutdown();
      for (const socket of connections.sockets) socket.destroy();
      connections.sockets.clear();
      await closed;
    },
  };
}

/** Statuses of ended streams get a moment to leave. */
function flushed(options: GrpcServerOptions, streams: ReadonlySet<unknown>): Promise<void> {
  const deadline = options.clock.now() + limits.stopGraceMs;
  return new Promise((resolve) => {
    const look = (): void => {
      if (streams.size === 0 || options.clock.now() >= deadline) resolve();
      else setImmediate(look);
    };
    setImmediate(look);
  });
}

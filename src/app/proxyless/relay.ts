/**
 * A Unix socket that leads to the control plane: what an application's gRPC library says there goes on over mutual TLS,
 * as whoever this agent is. Bytes only; nobody but this user can open the socket.
 */
import { X509Certificate } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import type { Clock, Logger, Timer } from "../../base/index.ts";
import {
  createTlsClient,
  type TlsClient,
  type TlsClientOptions,
  type TlsDial,
  type TlsHandlers,
  type TlsSocket,
  type VerifyPeer,
} from "../../wire/tls/index.ts";
import { limits } from "./limits.ts";

export interface RelayOptions {
  readonly path: string;
  /** `host:port` of the control plane, looked at for each connection. */
  readonly target: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RelayIdentity {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

type LocalSocket = Bun.Socket<Pipe>;

/** What one side said and the other has no room for yet; the speaker is paused meanwhile, so it is one piece. */
class Backlog {
  private rest: Uint8Array | undefined;
  private ended = false;

  get empty(): boolean {
    return this.rest === undefined;
  }

  /** True: everything went out. */
  write(to: Bun.Socket<unknown>, bytes: Uint8Array): boolean {
    if (this.rest !== undefined) {
      this.rest = Buffer.concat([this.rest, bytes]);
      return false;
    }
    const taken = Math.max(0, to.write(bytes));
    if (taken < bytes.length) this.rest = bytes.slice(taken);
    return this.rest === undefined;
  }

  /** Room again. True: nothing is left. */
  drain(to: Bun.Socket<unknown>): boolean {
    const { rest } = this;
    this.rest = undefined;
    if (rest !== undefined && !this.write(to, rest)) return false;
    if (this.ended) to.shutdown();
    return true;
  }

  /** The speaker is done: the listener learns it after the last byte. */
  end(to: Bun.Socket<unknown>): void {
    this.ended = true;
    if (this.empty) to.shutdown();
  }
}

/** One connection of the application and its counterpart. */
class Pipe {
  readonly local: LocalSocket;
  private remote: TlsSocket | undefined;
  private readonly outward = new Backlog();
  private readonly inward = new Backlog();
  private localDone = false;
  private dial: TlsDial | undefined;
  private timer: Timer | undefined;

  constructor(local: LocalSocket) {
    this.local = local;
  }

  start(dial: TlsDial, timer: Timer): void {
    this.dial = dial;
    this.timer = timer;
  }

  opened(remote: TlsSocket): void {
    this.timer?.cancel();
    this.remote = remote;
    if (this.outward.drain(remote)) this.local.resume();
    if (this.localDone) this.outward.end(remote);
  }

  fromLocal(bytes: Uint8Array): void {
    const { remote } = this;
    // Before the other side is there its first words wait; then the kernel holds what follows.
    const out = remote ?? full;
    if (!this.outward.write(out, bytes)) this.local.pause();
  }

  fromRemote(bytes: Uint8Array): void {
    if (!this.inward.write(this.local, bytes)) this.remote?.pause();
  }

  localRoom(): void {
    if (this.inward.drain(this.local)) this.remote?.resume();
  }

  remoteRoom(): void {
    if (this.remote && this.outward.drain(this.remote)) this.local.resume();
  }

  localEnd(): void {
    this.localDone = true;
    if (this.remote) this.outward.end(this.remote);
  }

  remoteEnd(): void {
    this.inward.end(this.local);
  }

  close(): void {
    this.timer?.cancel();
    this.dial?.cancel();
    this.remote?.terminate();
    this.local.terminate();
  }
}

/** A socket without room. */
const full = { write: () => 0, shutdown() {} } as unknown as Bun.Socket<unknown>;

export class Relay {
  private readonly options: RelayOptions;
  private readonly pipes = new Set<Pipe>();
  private tls: TlsClient<Pipe> | undefined;
  private listener: Bun.UnixSocketListener<Pipe> | undefined;
  private roots = "";

  constructor(options: RelayOptions) {
    this.options = options;
  }

  get connections(): number {
    return this.pipes.size;
  }

  /** Listens; a socket of a process that died is taken over. */
  start(): void {
    const { path } = this.options;
    rmSync(path, { force: true });
    this.listener = Bun.listen<Pipe>({
      unix: path,
      allowHalfOpen: true,
      socket: {
        open: (socket) => this.accept(socket),
        data: (socket, bytes) => socket.data?.fromLocal(bytes),
        drain: (socket) => socket.data?.localRoom(),
        end: (socket) => socket.data?.localEnd(),
        close: (socket) => this.closed(socket.data),
        error: (socket) => this.closed(socket.data),
      },
    });
    chmodSync(path, 0o600);
  }

  /** From the next connection on. Streams that run stay: under new roots the server ends them when it is replaced. */
  setIdentity({ certPem, keyPem, caPem }: RelayIdentity): void {
    const tls: TlsClientOptions = {
      ca: caPem,
      alpn: ["h2"],
      identity: { cert: certPem, key: keyPem },
      sni: "",
      verifyPeer: this.verify,
    };
    this.roots = caPem;
    if (this.tls === undefined) this.tls = createTlsClient(tls, this.handlers());
    else this.tls.update(tls);
  }

  get hasIdentity(): boolean {
    return this.roots !== "";
  }

  /** The address that was dialled, in the certificate of the control plane. */
  private readonly verify: VerifyPeer = (leaf) => {
    const { host } = hostPort(this.options.target());
    const certificate = new X509Certificate(leaf);
    const good = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    return good === undefined
      ? { ok: false, reason: `the certificate is not for ${host}` }
      : { ok: true, principal: "" };
  };

  private accept(socket: LocalSocket): void {
    const { clock, log, target } = this.options;
    if (this.tls === undefined || this.pipes.size >= limits.maxConnections) {
      log.warn("a connection to the control plane is refused", {
        reason: this.tls === undefined ? "there is no certificate yet" : `more than ${limits.maxConnections}`,
      });
      socket.terminate();
      return;
    }
    const pipe = new Pipe(socket);
    socket.data = pipe;
    this.pipes.add(pipe);
    const dial = this.tls.connect(hostPort(target()), pipe);
    pipe.start(
      dial,
      clock.after(limits.connectMs, () => this.closed(pipe)),
    );
  }

  private closed(pipe: Pipe | undefined): void {
    if (pipe === undefined || !this.pipes.delete(pipe)) return;
    pipe.close();
  }

  private handlers(): TlsHandlers<Pipe> {
    return {
      open: (pipe, socket) => pipe.opened(socket),
      data: (pipe, bytes) => pipe.fromRemote(bytes),
      drain: (pipe) => pipe.remoteRoom(),
      end: (pipe) => pipe.remoteEnd(),
      close: (pipe) => this.closed(pipe),
      refused: (pipe, { code, detail }) => {
        if (code !== "tls.cancelled")
          this.options.log.warn("the control plane cannot be reached", { code, detail });
        this.closed(pipe);
      },
    };
  }

  stop(): void {
    this.listener?.stop(true);
    for (const pipe of [...this.pipes]) this.closed(pipe);
    rmSync(this.options.path, { force: true });
  }
}

function hostPort(target: string): { readonly host: string; readonly port: number } {
  const colon = target.lastIndexOf(":");
  return { host: target.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(target.slice(colon + 1)) };
}

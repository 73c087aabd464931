/** A plain or TLS socket as the Duplex that node:http2 reads through WindowMend. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { WindowMend } from "./window-mend.ts";

/** Looks enough like a socket for node:http2 and grpc-js. */
export class MendedSocket extends Duplex {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly encrypted: boolean;
  /** Idle limits are the session's own. */
  readonly setTimeout = (): this => this;
  private readonly socket: Socket;
  private readonly mend = new WindowMend();

  constructor(
    socket: Socket,
    options: {
      encrypted: boolean;
      onGreeted: () => void;
      /** In place of an address, for a Unix socket, which has none. */
      peer?: { readonly address: string; readonly port: number };
    },
  ) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.encrypted = options.encrypted;
    this.remoteAddress = options.peer?.address ?? socket.remoteAddress ?? "";
    this.remotePort = options.peer?.port ?? socket.remotePort ?? 0;
    let greeted = false;
    socket.on("data", (chunk: Buffer) => {
      let more = true;
      for (const part of this.mend.receive(chunk)) more = this.push(part) && more;
      if (this.mend.failed !== undefined) {
        this.destroy(new Error(this.mend.failed));
        return;
      }
      if (!greeted && this.mend.greeted) {
        greeted = true;
        options.onGreeted();
      }
      if (!more) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.mend.sent(chunk);
    this.socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  setNoDelay(): this {
    this.socket.setNoDelay(true);
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    this.socket.ref();
    return this;
  }

  unref(): this {
    this.socket.unref();
    return this;
  }
}

/**
 * Ports on which the server speaks first: who waits there for the client's first bytes to tell TLS from plaintext would
 * hold up every connection for the whole time-out.
 */
import { serverFirstWaitMs } from "./limits.ts";

/** FTP, SSH, SMTP, POP3, IMAP, submission, MySQL. */
const wellKnown: readonly number[] = [21, 22, 25, 110, 143, 587, 3306];

/** What a listener learned; at most one entry a port. */
export class ServerFirstPorts {
  private readonly ports = new Set(wellKnown);

  /**
   * How long to wait for first bytes. A port that is known still waits a moment, for TLS peers of the mesh: their
   * hello follows the connection at once.
   */
  waitMs(port: number, usual: number): number {
    return this.ports.has(port) ? Math.min(serverFirstWaitMs, usual) : usual;
  }

  /** The server's bytes came before any of a plaintext client's. */
  serverSpoke(port: number): void {
    this.ports.add(port);
  }

  /** A plaintext client spoke without waiting for the server: slow ones get their time again. */
  clientSpoke(port: number): void {
    this.ports.delete(port);
  }
}

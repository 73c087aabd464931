/** A TCP connection of the loop, with the methods that the runtime's sockets have. */
import {
  addressOf,
  again,
  c,
  interest,
  level,
  localPlace,
  noSignal,
  option,
  type Place,
  remotePlace,
  shutWrite,
  words,
} from "../libc/index.ts";
import { readBytes } from "./limits.ts";
import { Lingerers } from "./linger.ts";
import type { EpollLoop, Watcher } from "./loop.ts";

/** Events of a connection. */
export interface StreamUser {
  /** The bytes are valid until the handler returns: the next read overwrites them. */
  onBytes(bytes: Uint8Array): void;
  /** More may be written after a `write` that took not all. */
  onDrain(): void;
  /** The peer sends no more. */
  onFin(): void;
  /** Once; within `end` and `terminate` too. */
  onClosed(): void;
}

/** Lets the user be replaced. */
export interface StreamSlot {
  user: StreamUser;
}

/** Views of the read buffer's beginning, made once: most reads have one of a few short lengths. */
const cachedViews = 4096;

/** What the connections of one loop share. */
export class Streams {
  readonly loop: EpollLoop;
  readonly lingerers: Lingerers;
  private readonly views: (Buffer | undefined)[] = new Array<Buffer | undefined>(cachedViews).fill(undefined);

  constructor(loop: EpollLoop) {
    this.loop = loop;
    this.lingerers = new Lingerers(loop);
  }

  /** The first `count` bytes of the loop's buffer. */
  view(count: number): Uint8Array {
    if (count >= cachedViews) return this.loop.buffer.view.subarray(0, count);
    let view = this.views[count];
    if (view === undefined) {
      view = this.loop.buffer.view.subarray(0, count);
      this.views[count] = view;
    }
    return view;
  }
}

const on = words(1);
on.view[0] = 1;
/** struct linger: on, no seconds. Closing sends a reset. */
const atOnce = words(2);
atOnce.view[0] = 1;

/** Small segments leave at once, as with the runtime's sockets. */
export function noDelay(fd: number): void {
  c.setsockopt(fd, level.tcp, option.noDelay, on.at, 4);
}

/** Of a connection that is gone. */
const nowhere: Place = { address: "", port: 0 };

export class EpollStream implements Watcher {
  /** A StreamSlot, once somebody has the connection. */
  data: unknown;
  readonly fd: number;
  private readonly streams: Streams;
  private events: number = interest.in;
  private open = true;
  private finished = false;
  private paused = false;
  /** It hung up while it was paused: epoll would tell so without end. */
  private unwatched = false;
  private wantsWrite = false;
  private here: Place | undefined;
  private there: Place | undefined;

  /** Takes over a connected descriptor. `watched`: it is in the loop for writing already. */
  constructor(streams: Streams, fd: number, slot?: StreamSlot, watched = false) {
    this.streams = streams;
    this.fd = fd;
    this.data = slot;
    if (watched) {
      streams.loop.hand(fd, this);
      streams.loop.change(fd, this.events);
    } else streams.loop.watch(fd, this, this.events);
  }

  get localAddress(): string {
    return this.local.address;
  }

  get localPort(): number {
    return this.local.port;
  }

  get remoteAddress(): string {
    return this.remote.address;
  }

  get remotePort(): number {
    return this.remote.port;
  }

  private get local(): Place {
    this.here ??= localPlace(this.fd) ?? nowhere;
    return this.here;
  }

  private get remote(): Place {
    this.there ??= remotePlace(this.fd) ?? nowhere;
    return this.there;
  }

  /** Bytes taken; what is left is the caller's until onDrain. Negative: the connection is gone. */
  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (!this.open) return -1;
    if (length === 0) return 0;
    let taken = c.send(this.fd, addressOf(bytes) + offset, length, noSignal);
    if (taken === length) return taken;
    if (taken < 0) {
      if (!again()) return -1;
      taken = 0;
    }
    this.wantsWrite = true;
    this.follow();
    return taken;
  }

  /** The peer is told that no more comes; reading goes on. */
  shutdown(): void {
    if (this.open) c.shutdown(this.fd, shutWrite);
  }

  /** Closes in order; what the peer still sends is dropped for a while, so that it can read what it was sent. */
  end(): void {
    if (!this.open) return;
    c.shutdown(this.fd, shutWrite);
    if (this.finished || this.unwatched) {
      this.gone();
      return;
    }
    this.open = false;
    this.streams.lingerers.add(this.fd);
    this.user?.onClosed();
  }

  /** Closes with a reset. */
  terminate(): void {
    if (!this.open) return;
    c.setsockopt(this.fd, level.socket, option.linger, atOnce.at, 8);
    this.gone();
  }

  pause(): void {
    this.paused = true;
    this.follow();
  }

  resume(): void {
    this.paused = false;
    this.follow();
  }

  // Events

  onReady(events: number): void {
    if (!this.open) return;
    if ((events & interest.in) !== 0 && (this.events & interest.in) !== 0) this.read();
    if (this.open && (events & interest.out) !== 0) this.drained();
    if (this.open && (events & (interest.error | interest.hangUp)) !== 0) this.hungUp(events);
  }

  onFault(): void {
    this.terminate();
  }

  private read(): void {
    const { streams, fd } = this;
    const count = c.recv(fd, streams.loop.buffer.at, readBytes, 0);
    if (count > 0) this.user?.onBytes(streams.view(count));
    else if (count === 0) {
      this.finished = true;
      this.follow();
      this.user?.onFin();
    } else if (!again()) this.gone();
  }

  private drained(): void {
    this.wantsWrite = false;
    this.user?.onDrain();
    if (this.open) this.follow();
  }

  /**
   * An error, or both directions are over. What came before is read first and ends in the same; a user that does not
   * want it now hears of an error at once, and of the rest when it reads on.
   */
  private hungUp(events: number): void {
    if ((events & this.events & interest.in) !== 0) return;
    if (!this.paused || (events & interest.error) !== 0) this.gone();
    else if (!this.unwatched) {
      this.unwatched = true;
      this.streams.loop.forget(this.fd);
    }
  }

  private gone(): void {
    this.open = false;
    this.streams.loop.close(this.fd);
    this.user?.onClosed();
  }

  private get user(): StreamUser | undefined {
    return (this.data as StreamSlot | undefined)?.user;
  }

  /** Has the loop wait for what is wanted: bytes, room to write, or neither. */
  private follow(): void {
    if (!this.open) return;
    const events = (this.paused || this.finished ? 0 : interest.in) | (this.wantsWrite ? interest.out : 0);
    if (this.unwatched) {
      if (events === 0) return;
      this.unwatched = false;
      this.streams.loop.watch(this.fd, this, events);
    } else if (events !== this.events) this.streams.loop.change(this.fd, events);
    this.events = events;
  }
}

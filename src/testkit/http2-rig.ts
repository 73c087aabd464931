/** A ServerConnection or ClientConnection in memory, and its peer as a writer of any frames: for tests of the codec. */
import type { HeaderList } from "../wire/http/index.ts";
import { FrameWriter, OutputBuffer } from "../wire/http2/frames/index.ts";
import { HpackEncoder } from "../wire/http2/hpack/index.ts";
import {
  ClientConnection,
  type ConnectionHandler,
  errorName,
  type Http2Error,
  type Http2Limits,
  type Http2Output,
  type Http2RequestHead,
  type Http2ServerStream,
  ServerConnection,
  type StreamHandler,
} from "../wire/http2/index.ts";
import { type FrameEvent, traceFrames } from "./http2-trace.ts";

/** What a stream's user was told, one word each. */
export class Told implements StreamHandler {
  readonly events: string[] = [];
  body = "";
  stream: Http2ServerStream | null = null;
  head: Http2RequestHead | null = null;

  onInformational(head: { status: number }): void {
    this.events.push(`informational ${head.status}`);
  }
  onResponse(head: { status: number }): void {
    this.events.push(`response ${head.status}`);
  }
  onData(chunk: Uint8Array): void {
    this.body += Buffer.from(chunk).toString("latin1");
  }
  onTrailers(trailers: readonly string[]): void {
    this.events.push(`trailers ${trailers.join(" ")}`);
  }
  onEnd(): void {
    this.events.push("end");
  }
  onReset(code: number, cause: string): void {
    this.events.push(`reset ${errorName(code)} ${cause}`);
  }
  onWritable(): void {
    this.events.push("writable");
  }
}

export interface RigOptions {
  readonly limits?: Http2Limits;
  readonly onRequest?: (stream: Http2ServerStream, head: Http2RequestHead) => void;
  readonly extendedConnect?: boolean;
}

class Rig {
  /** Frames of the peer: written here, fed by `send`. */
  readonly peer: FrameWriter;
  now = 0;
  /** Octets that the socket takes at once; 0: it is full. */
  room = Number.POSITIVE_INFINITY;
  readonly told: Told[] = [];
  readonly faults: string[] = [];
  readonly errors: string[] = [];
  idle = 0;
  protected readonly clock = { now: () => this.now };
  protected readonly output: Http2Output = {
    write: (bytes) => {
      const taken = Math.min(this.room, bytes.length);
      this.room -= taken;
      this.written.push(Buffer.from(bytes.subarray(0, taken)));
      return taken;
    },
    onUnflushed() {},
  };
  protected readonly handler: ConnectionHandler = {
    onSettings() {},
    onGoaway() {},
    onStreamFault: (error: Http2Error) => void this.faults.push(`${error.streamId} ${name(error)}`),
    onIdle: () => void this.idle++,
    onPong() {},
    onError: (error: Http2Error) => void this.errors.push(name(error)),
  };
  private readonly out = new OutputBuffer();
  private readonly written: Buffer[] = [];

  constructor() {
    this.peer = new FrameWriter(this.out, new HpackEncoder());
  }

  /** What the peer wrote since the last time, and `more`. */
  take(...more: readonly Uint8Array[]): Buffer {
    const bytes = Buffer.concat([this.out.view(), ...more]);
    this.out.clear();
    return bytes;
  }

  get writtenBytes(): number {
    return this.written.reduce((sum, part) => sum + part.length, 0);
  }

  /** Frames that the connection wrote, SETTINGS and their acknowledgement left out. */
  heard(role: "client" | "server"): FrameEvent[] {
    const { events } = traceFrames(role, this.written);
    return events.filter((event) => !event.kind.startsWith("settings"));
  }

  /** RST_STREAM and GOAWAY among them. */
  ends(role: "client" | "server" = "client"): string[] {
    return this.heard(role).flatMap((e) => {
      if (e.kind === "reset") return [`${e.streamId} ${errorName(e["code"] as number)}`];
      return e.kind === "goaway" ? [`goaway ${errorName(e["code"] as number)}`] : [];
    });
  }
}

const name = (error: Http2Error): string => `${errorName(error.code)} ${error.reason.slice("http2.".length)}`;

/** A server, and a client that has sent its preface and SETTINGS. Requests are in `told`, without an answer. */
export class ServerRig extends Rig {
  readonly connection: ServerConnection;
  private nextId = 1;

  constructor(options: RigOptions = {}) {
    super();
    this.connection = new ServerConnection({
      ...{ clock: this.clock, output: this.output, extendedConnect: options.extendedConnect === true },
      ...(options.limits ? { limits: options.limits } : {}),
      handler: {
        ...this.handler,
        onRequest: (stream, head) => {
          const told = new Told();
          told.stream = stream;
          told.head = head;
          this.told.push(told);
          options.onRequest?.(stream, head);
          return told;
        },
      },
    });
    this.peer.preface();
    this.peer.settings([]);
    this.send();
  }

  send(...more: readonly Uint8Array[]): void {
    this.connection.feed(this.take(...more));
    this.connection.flush();
  }

  /** Id of the client's next stream, which the caller opens by frames of its own. */
  claimId(): number {
    this.nextId += 2;
    return this.nextId - 2;
  }

  /** Writes a request's head; gives the stream's id. Fields are added to those of GET /. */
  request(
    endStream = true,
    fields: Readonly<HeaderList> = [],
    base: Readonly<HeaderList> = getFields,
  ): number {
    const id = this.claimId();
    this.peer.headers(id, [...base, ...fields], endStream);
    return id;
  }
}

export const getFields: Readonly<HeaderList> = [
  ...[":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"],
];

/** A client, and a server that has sent its SETTINGS (null: it has not). */
export class ClientRig extends Rig {
  readonly connection: ClientConnection;

  constructor(options: { limits?: Http2Limits; settings?: readonly number[] | null } = {}) {
    super();
    this.connection = new ClientConnection({
      ...{ clock: this.clock, output: this.output, handler: this.handler },
      ...(options.limits ? { limits: options.limits } : {}),
    });
    if (options.settings !== null) this.peer.settings(options.settings ?? []);
    this.send();
  }

  send(...more: readonly Uint8Array[]): void {
    this.connection.feed(this.take(...more));
    this.connection.flush();
  }

  open(endStream = true): Told {
    const told = new Told();
    const head: Http2RequestHead = {
      ...{ method: "GET", scheme: "http", authority: "a.test", path: "/", protocol: null },
      ...{ headers: [], contentLength: -1, neverIndexed: [] },
    };
    told.stream = this.connection.openStream(head, endStream, told) as Http2ServerStream | null;
    this.told.push(told);
    return told;
  }
}

/**
 * The way to the control plane, wherever it is by now. Each stream and call connects anew: to the address that the API
 * server tells, with the root it publishes, as whoever this sidecar can prove to be.
 */
import type { Clock, Logger } from "../../base/index.ts";
import { type ClientStream, createGrpcChannel, type GrpcChannel } from "../../wire/grpc/index.ts";
import { limits } from "./limits.ts";
import type { ControlPlaneAddress } from "./trust.ts";
import { within } from "./within.ts";

export interface Identity {
  readonly certPem: string;
  readonly keyPem: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

export interface PlaneLinkOptions {
  readonly first: ControlPlaneAddress;
  /** Asks the API server; undefined where it does not know. */
  readonly find: (signal: AbortSignal) => Promise<ControlPlaneAddress | undefined>;
  /** A token of the service account for the control plane. */
  readonly token: () => Promise<string>;
  /** The certificate at this moment, which speaks for the sidecar where no token can be had. */
  readonly identity: () => Identity | undefined;
  readonly onMoved: (now: ControlPlaneAddress, before: ControlPlaneAddress) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly open?: typeof createGrpcChannel;
}

export interface PlaneLink extends Pick<GrpcChannel, "bidi" | "unary"> {
  /** As far as it is known. */
  readonly address: ControlPlaneAddress;
}

class Link implements PlaneLink {
  address: ControlPlaneAddress;
  private readonly options: PlaneLinkOptions;
  /** Something failed since the address was last asked for. */
  private doubted = false;

  constructor(options: PlaneLinkOptions) {
    this.options = options;
    this.address = options.first;
  }

  async bidi<Response>(
    path: string,
    decode: (bytes: Uint8Array) => Response,
  ): Promise<ClientStream<Response>> {
    const channel = await this.connect();
    try {
      return this.watched(channel, await channel.bidi(path, decode));
    } catch (error) {
      this.close(channel);
      throw error;
    }
  }

  unary: GrpcChannel["unary"] = async (method, request, options) => {
    const channel = await this.connect();
    try {
      return await channel.unary(method, request, options);
    } catch (error) {
      this.doubted = true;
      throw error;
    } finally {
      channel.close();
    }
  };

  private watched<Response>(channel: GrpcChannel, inner: ClientStream<Response>): ClientStream<Response> {
    const outer: ClientStream<Response> = {
      onMessage: () => {},
      onClose: () => {},
      write: (message) => inner.write(message),
      cancel: () => inner.cancel(),
    };
    inner.onMessage = (message) => outer.onMessage(message);
    inner.onClose = (status) => {
      this.close(channel);
      outer.onClose(status);
    };
    return outer;
  }

  private close(channel: GrpcChannel): void {
    this.doubted = true;
    channel.close();
  }

  private async connect(): Promise<GrpcChannel> {
    if (this.doubted) await this.find();
    const { clock, open = createGrpcChannel, identity } = this.options;
    const target = { target: this.address.xds, caPem: this.address.rootPem, clock };
    const token = await this.token();
    if (token !== undefined) return open({ ...target, token: async () => token });
    const { certPem, keyPem } = identity()!;
    return open({ ...target, identity: { certPem, keyPem } });
  }

  /** A token; undefined where the certificate has to do. */
  private async token(): Promise<string | undefined> {
    const { clock, token, identity, log } = this.options;
    try {
      return await within(clock, limits.askApiMs, token);
    } catch (error) {
      this.doubted = true;
      const own = identity();
      if (own === undefined || own.notAfter <= clock.wall()) throw error;
      log.debug("no token; the certificate speaks for this sidecar", { error: String(error) });
      return undefined;
    }
  }

  private async find(): Promise<void> {
    const { clock, find, log, onMoved } = this.options;
    this.doubted = false;
    const now = await within(clock, limits.askApiMs, find).catch((error: unknown) => {
      log.debug("the API server does not say where the control plane is", { error: String(error) });
      return undefined;
    });
    const before = this.address;
    if (now === undefined || (now.xds === before.xds && now.rootPem === before.rootPem)) return;
    this.address = now;
    log.info("the control plane is elsewhere now", { was: before.xds, is: now.xds });
    onMoved(now, before);
  }
}

/** Nothing is asked before the first call. */
export function createPlaneLink(options: PlaneLinkOptions): PlaneLink {
  return new Link(options);
}

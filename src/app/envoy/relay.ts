/**
 * Between the control plane and Envoy: takes configuration as a xDS client's sink and hands it on as a xDS server's
 * source, so that Envoy needs no credential, starts from the last good configuration, and its verdict reaches the
 * control plane. Secrets come from the agent itself.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Clock, Logger, Timer } from "../../base/index.ts";
import { SecretSchema } from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Applied, ApplyError, ConfigSink, ConfigUpdate } from "../../xds/client/index.ts";
import {
  type EncodedResource,
  type Nack,
  type NodeInfo,
  shortTypeName,
  typeUrl,
} from "../../xds/protocol/index.ts";
import type { ResourceSource } from "../../xds/server/index.ts";
import { limits } from "./limits.ts";

export interface RelayOptions {
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Resources that Envoy asks for by name: one that is on its way here is not one that does not exist, so only what the
 * control plane removed is told as absent.
 */
class NamedResources extends Map<string, EncodedResource> {
  readonly absent = new Set<string>();

  override has(name: string): boolean {
    return super.has(name) || !this.absent.has(name);
  }

  /** As it is now: what was handed out is not changed. */
  copy(): NamedResources {
    const copy = new NamedResources();
    for (const [name, resource] of this) copy.set(name, resource);
    for (const name of this.absent) copy.absent.add(name);
    return copy;
  }
}

/** Type whose names another type's resources bring. */
const followers: Readonly<Record<string, string>> = {
  [typeUrl.cluster]: typeUrl.endpoints,
  [typeUrl.listener]: typeUrl.route,
};
const named = new Set(Object.values(followers));

/** An update that waits for Envoy's word. */
interface Waiting {
  readonly typeUrl: string;
  /** Name -> version that is not answered yet. */
  readonly open: Map<string, string>;
  readonly before: ReadonlyMap<string, EncodedResource | undefined>;
  readonly errors: ApplyError[];
  readonly done: () => void;
}

export interface SecretTexts {
  readonly name: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly caPem?: string;
}

export class Relay implements ConfigSink, ResourceSource {
  private readonly options: RelayOptions;
  private readonly types = new Map<string, Map<string, EncodedResource>>();
  private readonly subscribers = new Set<(urls: ReadonlySet<string>) => void>();
  /** What Envoy runs: type -> name -> version. */
  private readonly acked = new Map<string, ReadonlyMap<string, string>>();
  private readonly waiting = new Set<Waiting>();
  private live = false;
  refused = 0;

  constructor(options: RelayOptions) {
    this.options = options;
  }

  /** Envoy's process runs and is expected to answer; false: nobody is there, updates are kept for it. */
  setLive(live: boolean): void {
    this.live = live;
    if (live) return;
    this.acked.clear();
    for (const w of [...this.waiting]) w.done();
  }

  /**
   * Resolves with Envoy's refusals; without a word from it in time the update counts as taken. Of clusters Envoy says
   * nothing before they are warm, which takes the endpoints that are asked for next: their verdict comes late.
   */
  async apply(update: ConfigUpdate): Promise<Applied> {
    const { typeUrl: url, added, removed } = update;
    const all = this.resourcesOf(url);
    const before = new Map(added.map(({ name }) => [name, all.get(name)]));
    for (const { name, version, any } of added)
      all.set(name, { name, typeUrl: url, version, bytes: any.value });
    for (const name of removed) all.delete(name);
    this.forgetAbsence(url, update);
    const errors: ApplyError[] = [];
    const answered = this.verdict(url, added, before, errors);
    this.tell(url);
    if (url === typeUrl.cluster) return { errors: [], late: answered.then(() => errors) };
    await answered;
    return { errors };
  }

  /** A certificate with its key, or a bundle; Envoy takes it without a pause. */
  setSecret(secret: SecretTexts): void {
    const { name, certPem, keyPem, caPem } = secret;
    const inline = (text: string) => ({ specifier: { case: "inlineString" as const, value: text } });
    const type: MessageInitShape<typeof SecretSchema>["type"] =
      certPem !== undefined && keyPem !== undefined
        ? {
            case: "tlsCertificate",
            value: { certificateChain: inline(certPem), privateKey: inline(keyPem) },
          }
        : { case: "validationContext", value: { trustedCa: inline(caPem ?? "") } };
    const bytes = toBinary(SecretSchema, create(SecretSchema, { name, type }));
    const version = Bun.hash(bytes).toString(16);
    this.resourcesOf(typeUrl.secret).set(name, { name, typeUrl: typeUrl.secret, version, bytes });
    this.tell(typeUrl.secret);
  }

  private resourcesOf(url: string): Map<string, EncodedResource> {
    const known = this.types.get(url);
    if (known !== undefined) return known;
    // A secret that is not here yet will come, too.
    const made = named.has(url) || url === typeUrl.secret ? new NamedResources() : new Map();
    this.types.set(url, made);
    return made;
  }

  private forgetAbsence(url: string, { added, removed }: ConfigUpdate): void {
    const here = this.types.get(url);
    if (here instanceof NamedResources) {
      for (const { name } of added) here.absent.delete(name);
      for (const name of removed) here.absent.add(name);
    }
    const there = this.types.get(followers[url] ?? "");
    if (there instanceof NamedResources) there.absent.clear();
  }

  private tell(url: string): void {
    for (const subscriber of this.subscribers) subscriber(new Set([url]));
  }

  private verdict(
    url: string,
    added: ConfigUpdate["added"],
    before: Waiting["before"],
    errors: ApplyError[],
  ): Promise<void> {
    const acked = this.acked.get(url);
    const open = new Map(
      added.flatMap(({ name, version }) => (acked?.get(name) === version ? [] : [[name, version]])),
    );
    if (!this.live || open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let late: Timer | undefined;
      const done = (): void => {
        late?.cancel();
        this.waiting.delete(waiting);
        resolve();
      };
      const waiting: Waiting = { typeUrl: url, open, before, errors, done };
      this.waiting.add(waiting);
      late = this.options.clock.after(limits.verdictMs, () => {
        this.options.log.debug(`Envoy has not answered ${shortTypeName(url)}`, { names: [...open.keys()] });
        done();
      });
    });
  }

  // ResourceSource

  resources(_: NodeInfo, url: string): ReadonlyMap<string, EncodedResource> | undefined {
    const own = this.types.get(url);
    return own instanceof NamedResources ? own.copy() : own && new Map(own);
  }

  subscribe(_: NodeInfo, onChange: (urls: ReadonlySet<string> | "all") => void): () => void {
    this.subscribers.add(onChange);
    return () => this.subscribers.delete(onChange);
  }

  onAck(_: NodeInfo, url: string, versions: ReadonlyMap<string, string>): void {
    this.runs(url, versions);
  }

  /** What Envoy has by now, as far as it is waited for. */
  private runs(url: string, versions: ReadonlyMap<string, string>): void {
    this.acked.set(url, new Map(versions));
    for (const w of [...this.waiting]) {
      if (w.typeUrl !== url) continue;
      for (const [name, version] of w.open) if (versions.get(name) === version) w.open.delete(name);
      if (w.open.size === 0) w.done();
    }
  }

  /**
   * What was refused is not what a restarted Envoy should begin with: the version before comes back. The rest of the
   * response it took.
   */
  onNack(_: NodeInfo, url: string, { names, message }: Nack, versions: ReadonlyMap<string, string>): void {
    this.refused++;
    for (const w of [...this.waiting]) {
      if (w.typeUrl !== url) continue;
      for (const name of names) {
        if (!w.open.delete(name)) continue;
        w.errors.push({ name, message });
        const before = w.before.get(name);
        if (before === undefined) this.resourcesOf(url).delete(name);
        else this.resourcesOf(url).set(name, before);
      }
    }
    this.runs(url, versions);
  }
}

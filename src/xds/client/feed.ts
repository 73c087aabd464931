/** Where configuration comes from: one stream to a server, or one watched file. */
import type { Any } from "@bufbuild/protobuf/wkt";
import type { ApplyError, FeedStatus } from "./types.ts";

export interface FeedResource {
  readonly name: string;
  readonly version: string;
  /** Undefined in a heartbeat, which only puts the end of its life off. */
  readonly any: Any | undefined;
  /** It is gone when it was not sent again for so long. */
  readonly ttlMs?: number;
}

export interface FeedResponse {
  readonly typeUrl: string;
  readonly resources: readonly FeedResource[];
  readonly removed: readonly string[];
  /** What the client has of the type and is not in `resources` is gone. */
  readonly whole: boolean;
  /** May hold what runs already: versions are of the response, not of each resource. */
  readonly repeats: boolean;
}

/** A change of subscription. */
export interface NameChange {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

export interface FirstRequest {
  readonly typeUrl: string;
  /** Empty: everything. */
  readonly names: readonly string[];
  /** Name -> version of what runs. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The client, as a feed sees it. */
export interface FeedHost {
  /** What to ask for on a new connection, in the order of `pushOrder`. */
  first(): readonly FirstRequest[];
  /** Answered later, in the order of arrival; false: too many wait already. */
  receive(response: FeedResponse): boolean;
  /** Its status changed. */
  changed(): void;
}

export interface Feed {
  readonly status: FeedStatus;
  start(): void;
  stop(): void;
  /** There is reason to believe that the server is back: a pause after a failure ends now. */
  nudge?(): void;
  /** `wanted`: all names of the type, after the change. */
  ask(typeUrl: string, change: NameChange, wanted: readonly string[]): void;
  /** Says what became of a response; of one whose connection is gone nothing is said. */
  answer(response: FeedResponse, errors: readonly ApplyError[]): void;
}

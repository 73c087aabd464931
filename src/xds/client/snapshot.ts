/** The last good configuration on disk: a proxy that starts while the control plane is away begins with it. */
import { createHash } from "node:crypto";
import { chmod, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { DeltaDiscoveryResponseSchema } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import type { ConfigUpdate } from "./types.ts";

/** Where the snapshot lies; `load` gives undefined where there is none. */
export interface SnapshotStore {
  load(): Promise<Uint8Array | undefined>;
  save(bytes: Uint8Array): Promise<void>;
}

/** 8 bytes of magic with the format's version, SHA-256 of the rest, then length-prefixed responses. */
const magic = new TextEncoder().encode("WEFTXDS1");
const hashLength = 32;

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

export function encodeSnapshot(updates: readonly ConfigUpdate[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { typeUrl, added } of updates) {
    const resources = added.map(({ name, version, any }) => ({ name, version, resource: any }));
    const bytes = toBinary(
      DeltaDiscoveryResponseSchema,
      create(DeltaDiscoveryResponseSchema, { typeUrl, resources }),
    );
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  const body = Buffer.concat(parts);
  return Buffer.concat([magic, sha256(body), body]);
}

/** The updates, or why the file is not used. */
export function decodeSnapshot(bytes: Uint8Array): { updates: ConfigUpdate[] } | { reason: string } {
  const head = magic.length + hashLength;
  if (bytes.length < head) return { reason: "too short" };
  if (!Buffer.from(bytes.subarray(0, magic.length)).equals(magic))
    return { reason: "another format version" };
  const body = bytes.subarray(head);
  if (!Buffer.from(sha256(body)).equals(bytes.subarray(magic.length, head)))
    return { reason: "checksum mismatch" };
  try {
    const updates: ConfigUpdate[] = [];
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    for (let at = 0; at < body.length; ) {
      const length = view.getUint32(at);
      const response = fromBinary(DeltaDiscoveryResponseSchema, body.subarray(at + 4, at + 4 + length));
      const added = response.resources.flatMap(({ name, version, resource }) =>
        resource === undefined ? [] : [{ name, version, any: resource }],
      );
      updates.push({ typeUrl: response.typeUrl, added, removed: [] });
      at += 4 + length;
    }
    return { updates };
  } catch (error) {
    return { reason: `unreadable: ${error instanceof Error ? error.message : error}` };
  }
}

/** A file of mode 0600 in a folder of mode 0700, replaced in one step. */
export function fileSnapshotStore(path: string): SnapshotStore {
  return {
    async load() {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if ((error as { code?: string }).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async save(bytes) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const draft = `${path}.new`;
      const file = await open(draft, "w", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await chmod(draft, 0o600);
      await rename(draft, path);
    },
  };
}

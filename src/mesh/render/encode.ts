/** One encoding for everyone who needs the same bytes. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { RenderedResource } from "./types.ts";

export interface Encoder {
  encode<D extends DescMessage>(
    schema: D,
    typeUrl: string,
    message: MessageInitShape<D> & { name?: string },
    name: string,
  ): RenderedResource;
  /** A new mesh: what nobody has asked for since the one before is forgotten. */
  turn(): void;
}

/** Keeps the resources of this mesh and the one before: the same content gives the same object. */
export function createEncoder(): Encoder {
  let current = new Map<string, RenderedResource>();
  let before = new Map<string, RenderedResource>();
  return {
    encode(schema, typeUrl, message, name) {
      const bytes = toBinary(schema, create(schema, message));
      const version = Bun.hash(bytes).toString(16).padStart(16, "0");
      const key = `${typeUrl} ${name} ${version}`;
      const known = current.get(key) ?? before.get(key) ?? { name, typeUrl, version, bytes };
      current.set(key, known);
      return known;
    },
    turn() {
      before = current;
      current = new Map();
    },
  };
}

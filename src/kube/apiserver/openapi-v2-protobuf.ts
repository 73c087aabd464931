/**
 * OpenAPI v2 as gnostic's protobuf (openapi.v2.Document): kubectl reads it for a `kind: List`. It holds the names of
 * the kinds; what their fields are the server judges itself.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** `application/com.github.proto-openapi.spec.v2@v1.0+protobuf` */
export const V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** The same as a content type: Go's mime package takes no `@`. */
export const V2_CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

export interface NamedKind {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The document, one definition a kind. Field numbers are those of gnostic's OpenAPIv2.proto. */
export function encodeV2(kinds: readonly NamedKind[]): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string("2.0");
  message(writer, 2, (info) => {
    info.tag(1, WireType.LengthDelimited).string("Weft");
    info.tag(2, WireType.LengthDelimited).string("unversioned");
  });
  message(writer, 8, () => undefined);
  message(writer, 9, (definitions) => {
    for (const kind of kinds) {
      message(definitions, 1, (named) => {
        named.tag(1, WireType.LengthDelimited).string(kind.name);
        message(named, 2, (schema) => extension(schema, kind));
      });
    }
  });
  return writer.finish();
}

function extension(schema: BinaryWriter, { group, version, kind }: NamedKind): void {
  message(schema, 31, (entry) => {
    entry.tag(1, WireType.LengthDelimited).string("x-kubernetes-group-version-kind");
    message(entry, 2, (any) => {
      const yaml = `- group: ${JSON.stringify(group)}\n  kind: ${kind}\n  version: ${version}\n`;
      any.tag(2, WireType.LengthDelimited).string(yaml);
    });
  });
}

function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

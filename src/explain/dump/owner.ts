/** Which object made a row. */
import { objectAt, textAt } from "./json.ts";

export interface Owner {
  /** `VirtualService/default/reviews-route`; "" where the dump does not say. */
  readonly object: string;
  /** `reviews.yaml:9:5` where the manifest's file is known, else the field, `spec.http[0]`. */
  readonly where: string;
}

const nobody: Owner = { object: "", where: "" };

/** Of a Metadata message: Weft's own entry, else Istio's path of the object. */
export function ownerOf(metadata: unknown): Owner {
  const weft = objectAt(metadata, "filter_metadata", "weft");
  const object = textAt(weft, "owner");
  if (object !== "") return { object, where: textAt(weft, "source") || textAt(weft, "field") };
  return istioOwner(textAt(metadata, "filter_metadata", "istio", "config"));
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`. */
function istioOwner(path: string): Owner {
  const found = /\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path);
  if (found === null) return nobody;
  const kind = found[2]!.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return { object: `${kind}/${found[1]}/${found[3]}`, where: "" };
}

/** The first that is known. */
export function firstOwner(...metadata: readonly unknown[]): Owner {
  for (const one of metadata) {
    const owner = ownerOf(one);
    if (owner.object !== "") return owner;
  }
  return nobody;
}

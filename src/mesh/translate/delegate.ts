/** VirtualServices that others delegate to: no hosts of their own, only rules. */
import { visibleTo } from "../model/index.ts";
import { type Draft, reportOf, rootField, visibilityOf } from "./draft.ts";
import type { Field } from "./field.ts";
import { namespaceOf, objectsOf } from "./snapshot.ts";

export interface DelegateRules {
  readonly items: readonly Field[];
  readonly namespace: string;
}

/** Undefined after a complaint of the field itself; `missing`: what its requests are told. */
export function findDelegate(
  draft: Draft,
  field: Field,
  from: string,
): DelegateRules | { readonly missing: string } | undefined {
  field.object().rest(["name", "namespace"]);
  const name = field.at("name").requiredText();
  const namespace = field.at("namespace").text() || from;
  if (name === undefined) return undefined;
  const object = objectsOf(draft.snapshot, "VirtualService").find(
    (o) => o.metadata.name === name && namespaceOf(o) === namespace,
  );
  const refuse = (why: string, fix: string): { missing: string } => {
    const missing = `${why}: its requests get 503`;
    field.unresolved({ code: "unknown-delegate", message: missing, fix });
    return { missing };
  };
  const where = `VirtualService ${namespace}/${name}`;
  if (object === undefined) return refuse(`there is no ${where}`, "create it, without hosts");
  const spec = rootField(object, reportOf(draft, object)).at("spec");
  if (spec.at("hosts").items().length > 0)
    return refuse(`${where} has hosts of its own: nothing can be delegated to it`, "remove its hosts");
  if (!visibleTo(visibilityOf(spec.at("exportTo").texts(), namespace, draft.exportTo.virtualService), from))
    return refuse(`${where} is not exported to namespace ${from}`, "add the namespace to its exportTo");
  draft.delegated.add(object);
  return { items: spec.at("http").items(), namespace };
}

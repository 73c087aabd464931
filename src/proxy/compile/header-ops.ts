/** Headers to add and remove, of a route and of what encloses it, as one list in order of effect. */
import {
  HeaderValueOption_HeaderAppendAction as Action,
  type HeaderValueOption,
} from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { HeaderMutation, HeaderOps } from "../config/index.ts";
import { headerNameOf } from "./match.ts";
import type { Findings, Path } from "./path.ts";

/** Headers that frame or address a message; Envoy refuses to touch the pseudo ones and host likewise. */
const untouchable = new Set(["host", "content-length", "transfer-encoding", "connection"]);

const actions: Readonly<Record<Action, HeaderMutation["action"]>> = {
  [Action.APPEND_IF_EXISTS_OR_ADD]: "append",
  [Action.ADD_IF_ABSENT]: "add-if-absent",
  [Action.OVERWRITE_IF_EXISTS_OR_ADD]: "overwrite",
  [Action.OVERWRITE_IF_EXISTS]: "overwrite-if-exists",
};

function literal(value: string, path: Path, findings: Findings): string {
  const plain = value.replaceAll("%%", "\0");
  if (plain.includes("%")) findings.error(path, "command operators are not supported here; write %% for a %");
  const text = plain.replaceAll("\0", "%");
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 && c !== 9) findings.error(path, "control characters are not allowed in a header's value");
    if (c < 32 && c !== 9) break;
  }
  return text;
}

function mutation(option: HeaderValueOption, path: Path, findings: Findings): HeaderMutation {
  const at = path.at("header");
  const name = headerNameOf(option.header?.key ?? "", at.at("key"), findings);
  if (name.startsWith(":") || untouchable.has(name))
    findings.error(at.at("key"), `${name} cannot be set by header operations`);
  const raw = option.header?.rawValue;
  const text = raw && raw.length > 0 ? new TextDecoder("latin1").decode(raw) : (option.header?.value ?? "");
  const action =
    option.append === undefined ? actions[option.appendAction] : option.append ? "append" : "overwrite";
  return {
    name,
    value: literal(text, at.at(raw && raw.length > 0 ? "raw_value" : "value"), findings),
    action,
  };
}

/** Operations of one level (destination, route, virtual host, table) in one direction; `kind` is `request` or `response`. */
export function headerOps(
  level: { readonly add: readonly HeaderValueOption[]; readonly remove: readonly string[] },
  kind: "request" | "response",
  path: Path,
  findings: Findings,
): HeaderOps {
  const addPath = path.at(`${kind}_headers_to_add`);
  const removePath = path.at(`${kind}_headers_to_remove`);
  return {
    add: level.add.map((o, i) => mutation(o, addPath.at(i), findings)),
    remove: level.remove.map((n, i) => {
      const name = headerNameOf(n, removePath.at(i), findings);
      if (name.startsWith(":") || untouchable.has(name))
        findings.error(removePath.at(i), `${name} cannot be removed by header operations`);
      return name;
    }),
  };
}

/**
 * Envoy runs a level's removals, then its additions, levels in the given order. The result removes first and adds
 * then, so an addition that a later level removes is left out.
 */
export function mergeOps(levels: readonly HeaderOps[]): HeaderOps {
  let add: HeaderMutation[] = [];
  const remove = new Set<string>();
  for (const level of levels) {
    const gone = new Set(level.remove);
    add = add.filter((a) => !gone.has(a.name));
    for (const name of gone) remove.add(name);
    add.push(...level.add);
  }
  return { add, remove: [...remove] };
}

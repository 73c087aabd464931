/**
 * Sets of fields as FieldsV1 writes them: `f:name` a field, `k:{...}` an item of a list by its keys, `v:...` an item
 * of a set. An empty object is a member; a member with others below it has a `.`.
 */
export type FieldSet = { [segment: string]: FieldSet };

const isLeaf = (set: FieldSet): boolean => {
  for (const _ in set) return false;
  return true;
};
const below = (set: FieldSet): string[] => Object.keys(set).filter((k) => k !== ".");

/** Whether the path that leads to this node is itself a member. */
export const isMember = (set: FieldSet): boolean => isLeaf(set) || set["."] !== undefined;

/** No members at all. Only roots may be empty and mean nothing. */
export const isNothing = isLeaf;

/** All members of both. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const out: FieldSet = { ...a };
  for (const [segment, theirs] of Object.entries(b)) {
    const ours = a[segment];
    out[segment] = ours ? node(union(ours, theirs), isMember(ours) || isMember(theirs)) : theirs;
  }
  return out;
}

/** A node with the given membership: a `.` where it has others below. */
function node(set: FieldSet, member: boolean): FieldSet {
  const { ".": _, ...rest } = set;
  return member && !isLeaf(rest) ? { ".": {}, ...rest } : rest;
}

/** Members of `a` that `b` lacks. With `deep`, a member of `b` takes all below it along. */
export function subtract(a: FieldSet, b: FieldSet, deep = false): FieldSet {
  const out: FieldSet = {};
  for (const [segment, ours] of Object.entries(a)) {
    const theirs = b[segment];
    if (segment === "." || theirs === undefined) {
      out[segment] = ours;
      continue;
    }
    const taken = isMember(theirs);
    if (taken && deep) continue;
    const rest = subtract(node(ours, false), node(theirs, false), deep);
    const member = isMember(ours) && !taken;
    if (member || !isLeaf(rest)) out[segment] = node(rest, member);
  }
  return out;
}

/** Calls back for each member that both have, with its path. */
export function eachCommon(
  a: FieldSet,
  b: FieldSet,
  visit: (path: readonly string[]) => void,
  path: readonly string[] = [],
): void {
  for (const segment of below(a)) {
    const [ours, theirs] = [a[segment]!, b[segment]];
    if (theirs === undefined) continue;
    const at = [...path, segment];
    if (isMember(ours) && isMember(theirs)) visit(at);
    eachCommon(ours, theirs, visit, at);
  }
}

/** A set of one path. */
export const single = (path: readonly string[]): FieldSet =>
  path.reduceRight<FieldSet>((inner, segment) => ({ [segment]: inner }), {});

/** `.spec.containers[name="a"].image`, as Kubernetes writes paths. */
export function showPath(path: readonly string[]): string {
  return path
    .map((segment) => {
      const rest = segment.slice(2);
      if (segment.startsWith("f:")) return `.${rest}`;
      if (segment.startsWith("v:")) return `[=${rest}]`;
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
      return `[${keys.map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(",")}]`;
    })
    .join("");
}

/**
 * Header fields as a flat list: [name, value, name, value, ...]. Names are lower-case ASCII; values are
 * latin1 strings, byte-exact, without white space around them. Order and repetition are kept.
 */
export type HeaderList = string[];

/** First value of `name` (lower-case), undefined when absent. */
export function getHeader(list: readonly string[], name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
  return undefined;
}

/** Every value of `name` (lower-case), in order. */
export function getAllHeaders(list: readonly string[], name: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) out.push(list[i + 1]!);
  return out;
}

export function hasHeader(list: readonly string[], name: string): boolean {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
  return false;
}

/** Replaces the first `name` in place and drops its repetitions; appends when absent. */
export function setHeader(list: HeaderList, name: string, value: string): void {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    list[i + 1] = value;
    dropFrom(list, name, i + 2);
    return;
  }
  list.push(name, value);
}

export function appendHeader(list: HeaderList, name: string, value: string): void {
  list.push(name, value);
}

/** Drops every `name`; says whether there was one. */
export function removeHeader(list: HeaderList, name: string): boolean {
  const before = list.length;
  dropFrom(list, name, 0);
  return list.length !== before;
}

/** Drops every field whose name is in `names`. */
export function removeHeaders(list: HeaderList, names: ReadonlySet<string>): void {
  let w = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (names.has(list[i]!)) continue;
    list[w] = list[i]!;
    list[w + 1] = list[i + 1]!;
    w += 2;
  }
  list.length = w;
}

function dropFrom(list: HeaderList, name: string, from: number): void {
  let i = from;
  while (i < list.length && list[i] !== name) i += 2;
  if (i >= list.length) return;
  let w = i;
  for (i += 2; i < list.length; i += 2) {
    if (list[i] === name) continue;
    list[w] = list[i]!;
    list[w + 1] = list[i + 1]!;
    w += 2;
  }
  list.length = w;
}

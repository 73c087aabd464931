/** Reading a refusal: which resources it is about. */

/** Characters that names are made of: a name within a longer word is not meant. */
const wordBefore = /[\w|-]$/;
const wordAfter = /^[\w|-]/;

/** Which of `names` the message mentions, the longer names first; all of them where it mentions none. */
export function namesIn(message: string, names: readonly string[]): readonly string[] {
  let rest = message;
  const found = new Set<string>();
  for (const name of [...names].sort((a, b) => b.length - a.length)) {
    if (name === "") continue;
    for (let at = rest.indexOf(name); at >= 0; at = rest.indexOf(name, at + 1)) {
      const end = at + name.length;
      if (wordBefore.test(rest.slice(Math.max(0, at - 1), at)) || wordAfter.test(rest.slice(end, end + 1)))
        continue;
      found.add(name);
      rest = `${rest.slice(0, at)}\0${rest.slice(end)}`;
    }
  }
  return found.size === 0 ? names : names.filter((name) => found.has(name));
}

/** Field paths as the API server writes them: `spec.http[0].route[1]`, `metadata.annotations[weft.dev/x]`. */

/** The steps of a path: names and indexes. A bracket with digits is an index, with anything else a key. */
export function fieldSteps(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  const pattern = /\[([^\]]*)\]|([^.[\]]+)/g;
  for (const [, inBrackets, name] of path.matchAll(pattern)) {
    if (name !== undefined) steps.push(name);
    else if (inBrackets !== undefined) {
      const inner = inBrackets.replace(/^["'](.*)["']$/, "$1");
      steps.push(/^\d+$/.test(inner) ? Number(inner) : inner);
    }
  }
  return steps;
}

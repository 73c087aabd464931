/** Value of a Content-Length: decimal digits, at most 19 and below 2^53; -1 for all else. */
export function parseContentLength(value: string): number {
  const digits = value.length;
  if (digits === 0 || digits > 19) return -1;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const c = value.charCodeAt(i);
    if (c < 48 || c > 57) return -1;
    length = length * 10 + c - 48;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** Character tables of RFC 9110 and 3986, indexed by byte. */

function table(accept: (code: number) => boolean): Uint8Array {
  const out = new Uint8Array(256);
  for (let code = 0; code < 256; code++) if (accept(code)) out[code] = 1;
  return out;
}

const isAlphaNumeric = (c: number): boolean =>
  (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
const among = (set: string): ((c: number) => boolean) => {
  const codes = new Set([...set].map((s) => s.charCodeAt(0)));
  return (c) => codes.has(c);
};
const tokenMark = among("!#$%&'*+-.^_`|~");
const unreservedMark = among("-._~");

/** tchar (RFC 9110 section 5.6.2), as its lower-case byte; 0 for all else. */
export const lowerToken = new Uint8Array(256).map((_, c) =>
  isAlphaNumeric(c) || tokenMark(c) ? (c >= 65 && c <= 90 ? c + 32 : c) : 0,
);
/** HTAB, SP, VCHAR and obs-text: what a field value or a reason phrase may hold. */
export const fieldValueChar = table((c) => c === 9 || (c >= 32 && c !== 127));
/** Visible ASCII without "#": what a request target may hold. */
export const targetChar = table((c) => c > 32 && c < 127 && c !== 35);
/** unreserved of RFC 3986: escapes of these mean the same as the character. */
export const unreservedChar = table((c) => isAlphaNumeric(c) || unreservedMark(c));
/** Value of a hexadecimal digit, 255 for all else. */
export const hexValue = new Uint8Array(256).map((_, c) => {
  if (c >= 48 && c <= 57) return c - 48;
  if (c >= 65 && c <= 70) return c - 55;
  if (c >= 97 && c <= 102) return c - 87;
  return 255;
});

/** Whether `text` is a token, such as a method or a field name. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 255 || lowerToken[c] === 0) return false;
  }
  return text.length > 0;
}

/** Whether `text` may be written as a field value: latin1, no CTL but HTAB. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 255 || fieldValueChar[c] === 0) return false;
  }
  return true;
}

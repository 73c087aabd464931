/** Certificates, keys or options that cannot work; the message says which. Never holds key material. */
export class TlsConfigError extends Error {
  override name = "TlsConfigError";
}

export { buildCertificate, type CertificateInput, organizationName, spkiOf } from "./build.ts";
export { type Certificate, type PublicKeyInfo, parseCertificate, parseCertificates } from "./certificate.ts";
export { buildCsr, type CertificateRequest, createCsr, parseCsr } from "./csr.ts";
export { DerError } from "./der.ts";
export { generateKey, keyFromPem, keyToPem, type Signer, signerFor } from "./keys.ts";
export { type AltNameInput, type AltNames, canonicalIp } from "./names.ts";
export { oids, usageBit } from "./oids.ts";
export { decodePem, encodePem } from "./pem.ts";

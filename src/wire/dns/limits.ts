/** Limits of DNS messages: RFC 1035 section 2.3.4, RFC 6891; 1232 is what DNS Flag Day 2020 names for UDP. */

/** Octets of a name on the wire, lengths and root included. */
export const maxNameBytes = 255;
export const maxLabelBytes = 63;
/** Compression pointers in one name; each must lead backwards. */
export const maxPointers = 126;
/** Longest answer over UDP to who says nothing, and to who asks for more. */
export const udpBytes = 512;
export const ednsUdpBytes = 1232;
/** Longest message over TCP. */
export const tcpBytes = 65_535;
/** Records of all sections that are looked at in one response. */
export const maxRecords = 1024;

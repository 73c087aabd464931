export { createTestCa, type TestCa, type TestIdentity, type TestLeafOptions } from "./certs.ts";
export { type FakeClock, fakeClock } from "./fake-clock.ts";

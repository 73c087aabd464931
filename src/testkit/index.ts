export { type FakeClock, fakeClock } from "./fake-clock.ts";
export { createTestCa, type TestCa, type TestIdentity, type TestLeafOptions } from "./issue.ts";

export { refuse, trustedHost, urlOf } from "./guard.ts";
export { type Health, type HealthOptions, startHealth } from "./health.ts";
export { type Admin, type AdminOptions, startAdmin } from "./server.ts";

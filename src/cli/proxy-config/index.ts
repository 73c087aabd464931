export { type Reached, type ReachFlags, reach } from "./reach.ts";
export { type Page, pageOf, type Section, sections } from "./tables.ts";

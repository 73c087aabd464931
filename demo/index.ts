/** The demo as a module: src/main.ts hands it to `weft demo`, so that the executable tells the story too. */
import { serveApp } from "./apps/index.ts";
import { type DemoOptions, runDemo } from "./run.ts";

export { type DemoOptions, runDemo };

export const runDemoApp = serveApp;

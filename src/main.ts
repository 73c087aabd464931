/** Entry of every Weft process. Workers are spawned from here: see docs/decisions and RUNTIME notes on compiling. */
import "./app/heap/early/index.ts";
import pkg from "../package.json" with { type: "json" };
import { runCli } from "./cli/index.ts";

const compiled = import.meta.url.includes("/$bunfs/") || import.meta.url.includes("/%7EBUN/");

// The proxy compiles its bootstrap file in a child of this name: see proxy/bootstrap/compile-child.ts.
if (process.argv[2] === "proxy-compile-bootstrap") {
  const { compileToStdout } = await import("./proxy/bootstrap/index.ts");
  await compileToStdout(process.argv[3] ?? "");
} else {
  process.exitCode = await runCli(process.argv.slice(2), {
    workers: {
      data: () => new Worker(new URL("./worker.ts", import.meta.url)),
      store: () => new Worker(new URL("./store-worker.ts", import.meta.url)),
    },
    self: compiled ? [process.execPath] : [process.execPath, import.meta.path],
    version: pkg.version,
    demo: () => import("../demo/index.ts"),
  });
}

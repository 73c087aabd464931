/** The API server alone, to be killed: `DATA_DIR PORT`. Tells its port when it serves. */
import { createLogger, systemClock } from "../../src/base/index.ts";
import { startApiServer } from "../../src/kube/apiserver/index.ts";

const [dataDir = "", port = "0"] = process.argv.slice(2);
const server = await startApiServer({
  dataDir,
  port: Number(port),
  clock: systemClock,
  log: createLogger({ sink: (line) => process.stderr.write(`${line}\n`) }),
  storeWorker: () => new Worker(new URL("../../src/store-worker.ts", import.meta.url)),
  // Little history, so that compaction is part of the game.
  historyRevisions: 2_000,
});
process.stdout.write(`${server.port}\n`);

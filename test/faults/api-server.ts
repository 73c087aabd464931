/** The API server alone, to be killed: `DATA_DIR PORT`. Tells its port when it serves. */
import { type Clock, createLogger, systemClock } from "../../src/base/index.ts";
import { startApiServer } from "../../src/kube/apiserver/index.ts";

const [dataDir = "", port = "0"] = process.argv.slice(2);
/** What is due each five minutes (compaction) is due all the time, so that kills meet it. */
const clock: Clock = { ...systemClock, every: (ms, fn) => systemClock.every(ms >= 300_000 ? 30 : ms, fn) };

const server = await startApiServer({
  dataDir,
  port: Number(port),
  clock,
  log: createLogger({ sink: (line) => process.stderr.write(`${line}\n`) }),
  storeWorker: () => new Worker(new URL("../../src/store-worker.ts", import.meta.url)),
  historyRevisions: 50,
});
process.stdout.write(`${server.port}\n`);

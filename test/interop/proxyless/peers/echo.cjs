// A gRPC application without a proxy, in Node on grpc-js: `echo.cjs serve VERSION` or `echo.cjs call`.
const { createInterface } = require("node:readline");
const grpc = require("@grpc/grpc-js");
const xds = require("@grpc/grpc-js-xds");

// Before a server too: without it not even the router filter is known.
xds.register();

const same = (bytes) => bytes;
const service = "/weft.test.Echo/";

function serve(version) {
  const failed = new Set();
  const handle = (call, done) => {
    const once = call.metadata.get("x-fail-once")[0];
    if (once !== undefined && !failed.has(once)) {
      failed.add(once);
      return done({ code: grpc.status.UNAVAILABLE, details: "as it was told" });
    }
    if (call.metadata.get("x-wait")[0]) return;
    const names = call.getAuthContext?.().sslPeerCertificate?.subjectaltname ?? "";
    const caller = /URI:([^,]+)/.exec(names)?.[1] ?? "";
    done(null, Buffer.from(JSON.stringify({ version, caller })));
  };
  const method = (name) => ({
    path: service + name,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  });
  const server = new xds.XdsServer();
  server.addService({ Call: method("Call"), Other: method("Other") }, { Call: handle, Other: handle });
  const credentials = new xds.XdsServerCredentials(grpc.ServerCredentials.createInsecure());
  server.bindAsync(`${process.env.HOST}:${process.env.PORT}`, credentials, (error) => {
    if (error) throw error;
  });
}

function one(client, order) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(order.metadata ?? {})) metadata.set(name, value);
  const deadline = Date.now() + (order.deadline ?? 10) * 1000;
  const path = service + (order.method ?? "Call");
  return new Promise((resolve) =>
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, { deadline }, (error, bytes) =>
      resolve(
        error ? { error: `${grpc.status[error.code]}: ${error.details}` } : JSON.parse(bytes.toString()),
      ),
    ),
  );
}

async function call() {
  const clients = new Map();
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const key = `${order.target} ${order.secure}`;
    const insecure = grpc.credentials.createInsecure();
    const credentials = order.secure ? new xds.XdsChannelCredentials(insecure) : insecure;
    const client = clients.get(key) ?? new grpc.Client(order.target, credentials);
    clients.set(key, client);
    const answers = {};
    const errors = {};
    const callers = new Set();
    const start = [];
    while (order.together && start.length < order.count) {
      start.push(one(client, order));
      // grpc-js counts a call against the limit only when it has started: not in the turn in which it is made.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (let i = 0; i < order.count; i++) {
      const { error, version, caller } = await (start[i] ?? one(client, order));
      if (error) errors[error] = (errors[error] ?? 0) + 1;
      else {
        answers[version] = (answers[version] ?? 0) + 1;
        callers.add(caller);
      }
    }
    console.log(JSON.stringify({ answers, errors, callers: [...callers].sort() }));
  }
}

if (process.argv[2] === "serve") serve(process.argv[3]);
else void call();

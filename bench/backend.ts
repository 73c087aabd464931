/** A cheap HTTP/1.1 backend: counts complete request heads in a chunk and answers each with 100 bytes. */
const body = "x".repeat(100);
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);
const end = "\r\n\r\n";

const listener = Bun.listen<{ rest: string }>({
  hostname: "127.0.0.1",
  port: Number(process.argv[2] ?? 0),
  socket: {
    open(socket) {
      socket.data = { rest: "" };
    },
    data(socket, chunk) {
      let text = socket.data.rest + chunk.toString("latin1");
      let count = 0;
      for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end)) {
        count++;
        text = text.slice(at + 4);
      }
      socket.data.rest = text;
      if (count === 1) socket.write(answer);
      else if (count > 1) socket.write(Buffer.concat(Array.from({ length: count }, () => answer)));
    },
  },
});
console.log(listener.port);

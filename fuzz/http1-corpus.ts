/** Seeds of the HTTP/1.1 fuzz target; what once failed is added here. */
const h = "Host: a\r\n";

export const requests: readonly string[] = [
  `GET / HTTP/1.1\r\n${h}\r\n`,
  `GET /a?b=c HTTP/1.1\r\n${h}User-Agent: x/1\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n`,
  `POST / HTTP/1.1\r\n${h}Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n${h}\r\n`,
  `POST / HTTP/1.1\r\n${h}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`,
  `POST / HTTP/1.1\r\n${h}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n00\r\n\r\nPUT / HTTP/1.1\r\n${h}Content-Length: 1\r\n\r\nx`,
  `POST / HTTP/1.1\r\n${h}Expect: 100-continue\r\nContent-Length: 010\r\n\r\n0123456789`,
  `GET http://evil/ HTTP/1.1\r\n${h}Connection: close, X-A\r\nX-A: 1\r\n\r\n`,
  "CONNECT a:443 HTTP/1.0\r\n\r\nbytes",
  `GET /ws HTTP/1.1\r\n${h}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi`,
  "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
  `\r\n\r\nGET / HTTP/1.1\r\n${h}Cookie: a=1; b=2\r\nX-Obs: \xe4\xff\r\n\r\n`,
  // An empty Host behind nothing was once taken for one seen before.
  "GET / HTTP/1.1\r\nHost: \r\n\r\n",
];

export const responses: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
  "HTTP/1.0 301 Moved\r\nLocation: http://b/\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: "x"\r\n\r\n',
];

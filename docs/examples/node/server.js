// A small server: says which Node runs, and finishes open requests on SIGTERM.
const http = require("node:http");

const server = http.createServer((request, response) => {
  const answer = request.url === "/healthz" ? "ok\n" : `Node ${process.version}\n`;
  setTimeout(() => response.end(answer), request.url === "/slow" ? 2000 : 0);
});

server.listen(process.env.PORT, () => console.log(`listening on ${process.env.PORT}`));

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

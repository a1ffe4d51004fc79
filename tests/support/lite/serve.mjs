// Supabase's HTTP interface before databases of a PostgreSQL that runs already: one line of JSON
// {database} on standard input opens a server, whose {port} comes back; {port} closes it.
import { createInterface } from "node:readline";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { PostgresConnection } from "@supabase/lite/postgres";

const { host, port, publishableKey, secretKey, jwtSecret } = JSON.parse(process.env.LITE_SETTINGS);
const opened = new Map();

// lite hands a function's objects over as text that the driver would make JSON once more.
const jsonb = {
  to: 3802,
  from: [3802],
  serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  parse: JSON.parse,
};

async function open(database) {
  const connection = new PostgresConnection({
    postgresOptions: { host, port, database, username: "postgres", types: { jsonb } },
  });
  const auth = {
    enabled: true,
    jwt_secret: jwtSecret,
    publishable_key: publishableKey,
    secret_key: secretKey,
  };
  const app = new App({ connection, auth, options: { server: { admin: false } } });
  const server = serve({ fetch: app.server.fetch, port: 0, hostname: "127.0.0.1" });
  // Longer than any client keeps a connection: who hangs up first is not what is tested here.
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve) => server.once("listening", resolve));
  opened.set(server.address().port, { server, connection });
  return { port: server.address().port };
}

async function close(port) {
  const { server, connection } = opened.get(port);
  opened.delete(port);
  server.close();
  server.closeAllConnections();
  // A request whose client left may never let its connection go.
  await connection.driver.end({ timeout: 0 });
  return {};
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  console.log(JSON.stringify(asked.database ? await open(asked.database) : await close(asked.port)));
}
process.exit(0);

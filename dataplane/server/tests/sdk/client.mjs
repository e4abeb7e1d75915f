// The official TypeScript SDKs as clients: `client.mjs SDK URL MODE CALLS`, with the packages found from the working
// directory. SDK is `v1` (@modelcontextprotocol/sdk) or `v2` (@modelcontextprotocol/client); MODE is `legacy` or `auto`
// (v2: asks `server/discover` first). CALLS is a JSON array of `{"tool", "arguments"}`. Prints one JSON object: what was
// negotiated, listed, answered, and the progress of each call.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [sdk, url, mode, calls] = process.argv.slice(2);
const here = createRequire(process.cwd() + "/");
const load = (name) => import(pathToFileURL(here.resolve(name)).href);

async function connect() {
  const info = { name: "typescript-" + sdk, version: "1" };
  if (sdk === "v1") {
    const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const transport = new StreamableHTTPClientTransport(new URL(url));
    const client = new Client(info);
    await client.connect(transport);
    const call = (params, options) => client.callTool(params, undefined, options);
    return { client, transport, call };
  }
  const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
  const transport = new StreamableHTTPClientTransport(new URL(url));
  const client = new Client(info, { versionNegotiation: { mode } });
  await client.connect(transport);
  return { client, transport, call: (params, options) => client.callTool(params, options) };
}

const { client, transport, call } = await connect();
const listed = await client.listTools();
const results = [];
for (const { tool, arguments: args } of JSON.parse(calls)) {
  const progress = [];
  const answer = await call({ name: tool, arguments: args }, { onprogress: (p) => progress.push(p.progress) });
  const text = answer.content.map((part) => part.text ?? "").join("");
  results.push({ text, isError: answer.isError === true, progress });
}
console.log(
  JSON.stringify({
    version: transport.protocolVersion,
    server: client.getServerVersion().name,
    tools: listed.tools.map((tool) => tool.name),
    results,
  }),
);
await transport.terminateSession();
await client.close();

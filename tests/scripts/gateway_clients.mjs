// openai-node, and fetch as pages use it, against a gateway: gateway_clients.mjs OPENAI_MODULE, a call on standard input.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { url, key } = JSON.parse(readFileSync(0, "utf8"));
const { default: OpenAI } = await import(pathToFileURL(process.argv[2]));
const model = "stand-in";
const messages = [{ role: "user", content: "hello" }];
const image = "data:image/png;base64," + Buffer.alloc(15 << 20).toString("base64");
const picture = [{ role: "user", content: [{ type: "image_url", image_url: { url: image } }] }];
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }];
const client = (apiKey = key) => new OpenAI({ baseURL: url, apiKey, maxRetries: 0 });
const ask = (more = {}, apiKey = key) => client(apiKey).chat.completions.create({ model, messages, ...more });
const page = { Origin: "https://app.example", "Content-Type": "application/json" };
const fetched = (more) =>
  fetch(`${url}/chat/completions`, { method: "POST", headers: { ...page, Authorization: `Bearer ${key}` }, ...more });

const cases = {
  chat: async () => (await ask()).choices[0].message.content,
  stream: async () => {
    let text = "";
    for await (const part of await ask({ stream: true })) text += part.choices[0].delta.content ?? "";
    return text;
  },
  abort: async () => {
    const stream = await ask({ stream: true, max_tokens: 50, pace: 1 });
    for await (const _ of stream) break;
    stream.controller.abort();
    return "closed";
  },
  "wrong key": () => ask({}, "wrong"),
  "wrong key, image": () => ask({ messages: picture }, "wrong"),
  image: async () => (await ask({ messages: picture })).choices[0].message.content,
  tools: async () => (await ask({ tools })).choices[0].message.tool_calls[0].function.name,
  "fetch preflight": async () => {
    const headers = { ...page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization" };
    return (await fetch(`${url}/chat/completions`, { method: "OPTIONS", headers })).status;
  },
  "fetch stream": async () => {
    const answer = await fetched({ body: JSON.stringify({ stream: true }) });
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) text += part;
    return [...text.matchAll(/"content": ?"([^"]*)"/g)].map((found) => found[1]).join("");
  },
  "fetch wrong key": async () => (await fetched({ body: "{}", headers: { ...page, Authorization: "Bearer no" } })).status,
  "fetch chunked": async () => {
    const body = new ReadableStream({
      start(sink) {
        sink.enqueue(new TextEncoder().encode("{"));
        sink.enqueue(new TextEncoder().encode("}"));
        sink.close();
      },
    });
    return (await (await fetched({ body, duplex: "half" })).json()).choices[0].message.content;
  },
};

const found = {};
for (const [name, work] of Object.entries(cases)) {
  try {
    found[name] = await work();
  } catch (error) {
    found[name] = error.constructor.name;
  }
}
console.log(JSON.stringify(found));

// Keeps a few items with openapi-fetch, typed by what openapi-typescript makes of the service's document.
//
// Needs API (the address) and KEY (a key of a writer). Prints expected.txt.

import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const { API: baseUrl, KEY: key } = process.env;
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

type Item = components["schemas"]["Item"];
type Problem = components["schemas"]["Problem"];

/** What was asked for; an error with the problem where the service answered one. */
function expect<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error) {
    throw new Error(`${answer.error.title}: ${answer.error.detail} (${answer.error.request_id})`);
  }
  return answer.data!;
}

// A reader of any of these may be cut off and send the request again: it makes one item.
const run = `typescript-${randomUUID()}`;
const items: Item[] = [];
let sent = "";
for (const name of ["tea", "coffee", "cocoa"]) {
  const send = () =>
    client.POST("/items", {
      params: { header: { "Idempotency-Key": `${run}-${name}` } },
      body: { name: `${run} ${name}` },
    });
  expect(await send());
  const again = await send();
  items.push(expect(again));
  sent = `${again.response.status}, replayed ${again.response.headers.get("idempotency-replayed")}`;
}
console.log(`made ${items.length} items; sent again: ${sent}`);

const path = { id: items[0]!.id };
const first = await client.GET("/items/{id}", { params: { path } });
const etag = first.response.headers.get("etag") ?? "";
const again = await client.GET("/items/{id}", { params: { path, header: { "If-None-Match": etag } } });
console.log(`read ${etag}; read again: ${again.response.status}`);

const change = (description: string) =>
  client.PATCH("/items/{id}", { params: { path, header: { "If-Match": etag } }, body: { description } });
const changed = await change("green");
console.log(`changed: ${expect(changed).description}, ${changed.response.headers.get("etag")}`);
const stale = await change("black");
console.log(`changed on the old state: ${stale.error?.status} ${stale.error?.type}`);

let found = 0;
let pages = 0;
let cursor: string | undefined;
do {
  const query = { limit: 2, name_contains: run, cursor };
  const page = expect(await client.GET("/items", { params: { query } }));
  found += page.items.length;
  pages += 1;
  cursor = page.next_cursor ?? undefined;
} while (cursor);
console.log(`listed ${found} items on ${pages} pages`);

for (const { id } of items) {
  expect(await client.DELETE("/items/{id}", { params: { path: { id }, header: { "If-Match": "*" } } }));
}
const removed = await client.GET("/items/{id}", { params: { path } });
console.log(`removed: ${removed.error?.status} ${removed.error?.type}`);

const { error: refused } = await client.POST("/items", { body: { name: "" } });
const [field] = refused?.errors ?? [];
console.log(`refused: ${refused?.status} ${refused?.type}, ${field?.pointer} ${field?.detail}`);

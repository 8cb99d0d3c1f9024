// Makes, changes and removes an item. Needs API (the address) and KEY (a key of a writer); Node 22.6 or later:
//   node --experimental-strip-types api/examples/items.mts

interface Item {
  id: string;
  name: string;
  description: string | null;
  created_at: string;
  updated_at: string;
  version: number;
}

/** What the service answered instead (RFC 9457). */
interface Problem {
  type: string;
  title: string;
  detail: string;
  request_id?: string;
  errors?: { pointer: string; detail: string }[];
}

async function call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await fetch(process.env.API + path, {
    method,
    headers: { authorization: `Bearer ${process.env.KEY}`, "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  if (!answer.ok) {
    const problem = (await answer.json()) as Problem;
    throw new Error(`${problem.title}: ${problem.detail} (${problem.request_id})`);
  }
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

const made = await call<Item>("POST", "/items", { name: "tea" }, { "idempotency-key": crypto.randomUUID() });
const changed = await call<Item>(
  "PATCH", `/items/${made.id}`, { description: "green" }, { "if-match": `"${made.version}"` },
);
await call<void>("DELETE", `/items/${changed.id}`, undefined, { "if-match": `"${changed.version}"` });
console.log("removed", changed.id);

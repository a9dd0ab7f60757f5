// What an application does with the generated types: log in, create, walk a list, change, read errors by code.

import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { components, paths } from "./generated/schema.js";

type Entered = components["schemas"]["AnyLoginResponse"];

const [baseUrl, password] = process.argv.slice(2);
assert(baseUrl && password);
const account = { email: "tess@example.com", password };
const client = createClient<paths>({ baseUrl });

/** The access token, or what a page sends in place of it. `delivery` tells the two answers apart. */
function credentials(entered: Entered): Record<string, string> {
  return entered.delivery === "body"
    ? { Authorization: `Bearer ${entered.tokens.accessToken}` }
    : { "X-CSRFToken": entered.csrfToken };
}

async function enter(): Promise<Record<string, string>> {
  const registered = await client.POST("/api/v1/auth/register", { body: { ...account, name: "Tess Typed" } });
  assert(registered.data);
  const inCookies = await client.POST("/api/v1/auth/login", { params: { query: { delivery: "cookie" } }, body: account });
  assert(inCookies.data && "X-CSRFToken" in credentials(inCookies.data.data));
  const inBody = await client.POST("/api/v1/auth/login", { body: account });
  assert(inBody.data && "Authorization" in credentials(inBody.data.data));
  return credentials(inBody.data.data);
}

async function create(title: string): Promise<string> {
  const { data, error } = await client.POST("/api/v1/resources", {
    params: { header: { "Idempotency-Key": `create ${title}`.replaceAll(" ", "-") } },
    body: { title, tags: ["typed"] },
  });
  assert(data, JSON.stringify(error));
  return data.data.id;
}

async function titles(): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: { data?: components["schemas"]["ResourceListEnvelope"] } = await client.GET("/api/v1/resources", {
      params: { query: { cursor, limit: 2, sort: ["status", "title"], fields: ["title", "status"], tag: ["typed"] } },
    });
    assert(page.data && "nextCursor" in page.data.meta);
    found.push(...page.data.data.map((resource) => resource.title ?? ""));
    cursor = page.data.meta.nextCursor;
  }
  return found;
}

async function change(id: string): Promise<void> {
  const path = { id };
  const read = await client.GET("/api/v1/resources/{id}", { params: { path, query: { fields: ["title"] } } });
  const held = read.response.headers.get("ETag");
  assert(read.data?.data.title === "One" && held);
  const params = { path, header: { "If-Match": held } };
  const changed = await client.PATCH("/api/v1/resources/{id}", { params, body: { status: "published" } });
  assert.equal(changed.data?.data.status, "published");
  const stale = await client.PATCH("/api/v1/resources/{id}", { params, body: { status: "archived" } });
  assert.equal(stale.error?.error.code, "PRECONDITION_FAILED");
  assert.equal(stale.response.headers.get("ETag"), changed.response.headers.get("ETag"));
}

async function refusal(): Promise<string> {
  const { error } = await client.POST("/api/v1/resources", { body: { title: " " } });
  assert(error);
  switch (error.error.code) {
    case "VALIDATION_ERROR":
      return error.error.details.map((detail) => `${detail.field}: ${detail.code}`).join();
    case "RATE_LIMITED":
      return "wait";
    default:
      return error.error.message;
  }
}

const headers = await enter();
client.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    return request;
  },
});
const [first] = [await create("One"), await create("Two"), await create("Three")];
assert.deepEqual(await titles(), ["One", "Three", "Two"]);
await change(first);
assert.deepEqual(await titles(), ["Three", "Two", "One"]);
assert.equal(await refusal(), "title: blank");
console.log("TypeScript: every response was as typed");

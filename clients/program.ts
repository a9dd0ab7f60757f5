// What an application does with a typed session: sign up, create, walk a list, change, upload, read errors by code.

import assert from "node:assert/strict";

import type { components } from "./generated/schema.js";
import { newKey, Session, type Tokens } from "./session.js";

const [baseUrl, password, expired] = process.argv.slice(2);
assert(baseUrl && password && expired);
const account = { email: "tess@example.com", password };
const session = await enter();
const { client } = session;

async function enter(): Promise<Session> {
  const { client } = new Session(baseUrl!);
  const registered = await client.POST("/api/v1/auth/register", {
    params: { header: newKey() },
    body: { ...account, name: "Tess Typed" },
  });
  assert(registered.data);
  // `delivery` distinguishes the two forms.
  const inCookies = await client.POST("/api/v1/auth/login", { params: { query: { delivery: "cookie" } }, body: account });
  assert(inCookies.data?.data.delivery === "cookie" && inCookies.data.data.csrfToken);
  const inBody = await client.POST("/api/v1/auth/login", { body: account });
  assert(inBody.data?.data.delivery === "body");
  return new Session(baseUrl!, inBody.data.data.tokens);
}

/** Send requests in parallel with an expired token: one refreshes, and each is sent again. */
async function refreshes(tokens: Tokens): Promise<void> {
  const stored: (string | null)[] = [];
  const store = (pair: Tokens | null) => void stored.push(pair && pair.refreshToken);
  const late = new Session(baseUrl!, tokens, store);
  const answers = await Promise.all([1, 2, 3].map(() => late.client.GET("/api/v1/users/me")));
  assert(answers.every(({ data }) => data?.data.email?.startsWith("late.")));
  assert(stored.length === 1 && stored[0] && stored[0] !== tokens.refreshToken);

  await late.client.POST("/api/v1/auth/logout");
  const ended = new Session(baseUrl!, tokens, store);
  const refused = await ended.client.GET("/api/v1/users/me");
  assert.equal(refused.response.status, 401);
  assert.deepEqual(stored.slice(1), [null]);
}

async function create(title: string): Promise<string> {
  const { data, error } = await client.POST("/api/v1/resources", {
    params: { header: newKey() },
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

/** Create while the response is lost once: the request is sent again, and done once. */
async function survives(): Promise<void> {
  await create("Survives");
  const { data } = await client.GET("/api/v1/resources", { params: { query: { search: "survives" } } });
  assert.equal(data?.data.length, 1);
}

async function upload(id: string): Promise<void> {
  const file = await session.upload(`/api/v1/resources/${id}/attachments`, new Blob(["Hello\n"]), "hello.txt");
  assert.equal(await (await fetch(new URL(file.url, baseUrl))).text(), "Hello\n");
  const page = new Blob(["<!doctype html>"]);
  const refused = session.upload(`/api/v1/resources/${id}/attachments`, page, "page.html");
  await assert.rejects(refused, { code: "UNSUPPORTED_MEDIA_TYPE" });
}

const [first] = [await create("One"), await create("Two"), await create("Three")];
assert.deepEqual(await titles(), ["One", "Three", "Two"]);
await change(first);
assert.deepEqual(await titles(), ["Three", "Two", "One"]);
await upload(first);
assert.equal(await refusal(), "title: blank");
await survives();
await refreshes(JSON.parse(expired));
console.log("TypeScript: every response was as typed");

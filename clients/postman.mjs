// Make a Postman collection of the OpenAPI document: `node postman.mjs openapi.json collection.json`.
// A request without a token logs in first, with the collection's variables `email` and `password`; a 401 drops the token.
// The folder "First steps" runs as it is; the others have one request for each operation, with the document's examples.

import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

import converter from "openapi-to-postmanv2";

const LOG_IN = `
const variables = pm.collectionVariables;
if (!variables.get("accessToken") && !pm.request.url.getPath().includes("/auth/")) {
  pm.sendRequest({
    url: pm.variables.get("baseUrl") + "/api/v1/auth/login",
    method: "POST",
    header: { "Content-Type": "application/json" },
    body: { mode: "raw", raw: JSON.stringify({ email: pm.variables.get("email"), password: pm.variables.get("password") }) },
  }, (error, response) => {
    if (error || response.code !== 200) throw new Error("log-in: " + (error || response.text()));
    variables.set("accessToken", response.json().data.tokens.accessToken);
  });
}`;
const DROP_TOKEN = 'if (pm.response.code === 401) pm.collectionVariables.unset("accessToken");';

const script = (listen, text) => ({ listen, script: { type: "text/javascript", exec: text.trim().split("\n") } });

/** One request of "First steps": its status is checked, then `more` runs. */
function step(name, method, path, { status, body, headers = {}, more = "" }) {
  const check = `pm.test("${status}", () => pm.response.to.have.status(${status}));`;
  return {
    name,
    request: {
      method,
      url: `{{baseUrl}}/api/v1/${path}`,
      header: Object.entries({ ...headers, ...(body && { "Content-Type": "application/json" }) }).map(
        ([key, value]) => ({ key, value }),
      ),
      ...(body && { body: { mode: "raw", raw: JSON.stringify(body) } }),
    },
    event: [script("test", `${check}\n${more}`)],
  };
}

const REMEMBER = `
pm.collectionVariables.set("resourceId", pm.response.json().data.id);
pm.collectionVariables.set("etag", pm.response.headers.get("ETag"));`;
const ONE = "resources/{{resourceId}}";
const FIRST_STEPS = {
  name: "First steps",
  item: [
    step("Who am I", "GET", "users/me", { status: 200 }),
    step("Create", "POST", "resources", {
      status: 201,
      headers: { "Idempotency-Key": "{{$guid}}" },
      body: { title: "From Postman", tags: ["ideas"] },
      more: REMEMBER,
    }),
    step("Find it", "GET", "resources?search=postman&sort=-createdAt&limit=5", { status: 200 }),
    step("Change it", "PATCH", ONE, {
      status: 200,
      headers: { "If-Match": "{{etag}}" },
      body: { status: "published" },
    }),
    step("Change it with the former version", "PATCH", ONE, {
      status: 412,
      headers: { "If-Match": "{{etag}}" },
      body: { status: "draft" },
    }),
    step("Delete it", "DELETE", ONE, { status: 204 }),
  ],
};

const [, , source, target] = process.argv;
const document = JSON.parse(await readFile(source, "utf8"));
const options = { folderStrategy: "Tags", requestParametersResolution: "Example", optimizeConversion: false };
const made = await promisify(converter.convert)({ type: "json", data: document }, options);
if (!made.result) throw new Error(made.reason);
const collection = made.output[0].data;
collection.info.name = document.info.title;
collection.auth = { type: "bearer", bearer: [{ key: "token", value: "{{accessToken}}", type: "string" }] };
collection.event = [script("prerequest", LOG_IN), script("test", DROP_TOKEN)];
collection.item.unshift(FIRST_STEPS);
collection.variable = Object.entries({
  baseUrl: "http://127.0.0.1:8000",
  email: "user@example.com",
  password: "Try-it-0ut-now",
  accessToken: "",
}).map(([key, value]) => ({ key, value, type: "string" }));
await writeFile(target, JSON.stringify(collection, null, 1));

// The session against a server of its own, which says what it was sent: `node --test` in `make test-clients`.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { test } from "node:test";

import { newKey, Session, type Tokens } from "./session.js";

type Reply = (request: IncomingMessage, response: ServerResponse) => void;

const pair = (n: number): Tokens => ({
  accessToken: `A${n}`,
  refreshToken: `R${n}`,
  tokenType: "Bearer",
  expiresIn: 60,
});

/** Run with a server that replies so, and with the list of what it was sent: method, path and token. */
async function served(reply: Reply, run: (base: string, sent: string[]) => Promise<void>): Promise<void> {
  const sent: string[] = [];
  const server = createServer((request, response) => {
    sent.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    reply(request, response);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    await run(`http://127.0.0.1:${(server.address() as { port: number }).port}`, sent);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

const failed = (code: string) => ({ success: false, error: { code } });
const expired: Reply = (_request, response) => json(response, 401, failed("TOKEN_EXPIRED"));

/** A0 has expired; a refresh gives A1, at once or when `after` is over. */
const rotating =
  (after: Promise<void> = Promise.resolve()): Reply =>
  (request, response) => {
    if (request.url!.endsWith("/refresh")) void after.then(() => json(response, 200, { data: { tokens: pair(1) } }));
    else if (request.headers.authorization === "Bearer A1") json(response, 200, { data: {} });
    else expired(request, response);
  };

test("a log-out during a refresh is not undone", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  await served(rotating(gate), async (base, sent) => {
    const stored: (string | null)[] = [];
    const session = new Session(base, pair(0), (tokens) => void stored.push(tokens && tokens.accessToken));
    const write = session.fetch(new Request(`${base}/pay`, { method: "POST" }));
    while (!sent.some((line) => line.includes("/refresh"))) await new Promise(setImmediate);
    await session.end();
    release();
    assert.equal((await write).status, 401);
    assert.equal((await session.fetch(new Request(`${base}/me`))).status, 401);
    assert.deepEqual(stored, [null]);
    assert.deepEqual(sent, ["POST /pay Bearer A0", "POST /api/v1/auth/refresh -", "GET /me -"]);
  });
});

test("another server gets no token, and causes no refresh", async () => {
  await served(expired, async (foreign, received) => {
    await served(rotating(), async (base, sent) => {
      const session = new Session(base, pair(0));
      assert.equal((await session.fetch(new Request(`${foreign}/file`))).status, 401);
      assert.deepEqual([received, sent], [["GET /file -"], []]);
    });
  });
});

test("a refresh that does not end holds nobody for ever", { timeout: 20_000 }, async () => {
  await served(rotating(new Promise(() => {})), async (base) => {
    const session = new Session(base, pair(0));
    const signal = AbortSignal.timeout(300);
    await assert.rejects(session.fetch(new Request(`${base}/me`, { signal })), { name: "TimeoutError" });
    await assert.rejects(session.fetch(new Request(`${base}/me`)), { name: "TimeoutError" });
  });
});

test("an abort ends the wait for Retry-After", { timeout: 5_000 }, async () => {
  const busy: Reply = (_request, response) => json(response, 429, failed("RATE_LIMITED"), { "Retry-After": "20" });
  await served(busy, async (base) => {
    const request = new Request(base, { signal: AbortSignal.timeout(300) });
    await assert.rejects(new Session(base).fetch(request), { name: "TimeoutError" });
  });
});

test("a pair that could not be stored is stored by the next request, and not lost", async () => {
  await served(rotating(), async (base, sent) => {
    const stored: string[] = [];
    let isFull = true;
    const session = new Session(base, pair(0), (tokens) => {
      if (isFull) throw new Error("the disk is full");
      stored.push(tokens!.refreshToken);
    });
    await assert.rejects(session.fetch(new Request(`${base}/me`)), /disk is full/);
    isFull = false;
    assert.equal((await session.fetch(new Request(`${base}/me`))).status, 200);
    assert.deepEqual(stored, ["R1"]);
    assert.equal(sent.filter((line) => line.includes("/refresh")).length, 1);
  });
});

test("of a session that has ended the store hears once", async () => {
  const ended: Reply = (request, response) =>
    json(response, 401, failed(request.url!.endsWith("/refresh") ? "TOKEN_REVOKED" : "TOKEN_EXPIRED"));
  await served(ended, async (base, sent) => {
    const stored: unknown[] = [];
    const session = new Session(base, pair(0), (tokens) => void stored.push(tokens));
    await Promise.all([1, 2, 3].map(() => session.fetch(new Request(`${base}/me`))));
    await session.fetch(new Request(`${base}/me`));
    assert.deepEqual(stored, [null]);
    assert.equal(sent.filter((line) => line.includes("/refresh")).length, 1);
  });
});

test("a write is sent again only under an Idempotency-Key", async () => {
  let cut = 0;
  const cutting: Reply = (request, response) => {
    if (cut++ % 2 === 0) request.socket.destroy();
    else json(response, 201, { data: {} });
  };
  await served(cutting, async (base) => {
    const session = new Session(base);
    await assert.rejects(session.fetch(new Request(base, { method: "POST" })));
    cut = 0;
    const repeated = await session.fetch(new Request(base, { method: "POST", headers: newKey() }));
    assert.equal(repeated.status, 201);
  });
});

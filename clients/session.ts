// A session on top of the generated types: it refreshes, repeats what may be repeated, and uploads files.

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./generated/schema.js";

export type Tokens = components["schemas"]["LoginResponse"]["tokens"];
export type Store = (tokens: Tokens | null) => void | Promise<void>;

const ATTEMPTS = 4;
const MAX_WAIT_SECONDS = 30;
const REQUEST_MS = 60_000; // for a request with its repetitions
// Within the ten seconds in which the server takes the same refresh token again, and not for a stolen one.
const REFRESH_MS = 8_000;
const REPEATABLE = ["GET", "HEAD", "OPTIONS"];
const REFRESH = "/api/v1/auth/refresh";

/** The header that makes a POST repeatable; a new one for each thing that is to happen once. */
export const newKey = () => ({ "Idempotency-Key": crypto.randomUUID() });

/** One log-in, or none. Another log-in is another Session, so that no request changes its user on the way. */
export class Session {
  readonly client: Client<paths>;
  #tokens: Tokens | null;
  #refreshing: Promise<void> | null = null;
  #saving: Promise<void> = Promise.resolve();
  #isStored = true;

  /**
   * `store` gets each new pair before it is used, and null when the session has ended. Where it fails, so does the
   * request, and the next one stores the pair again.
   */
  constructor(
    readonly baseUrl: string,
    tokens: Tokens | null = null,
    readonly store: Store = () => {},
  ) {
    this.#tokens = tokens;
    this.client = createClient<paths>({ baseUrl, fetch: (request) => this.fetch(request) });
  }

  /** Drop the tokens, after a log-out. A refresh that is under way does not bring them back. */
  async end(): Promise<void> {
    await this.#replace(null);
  }

  /**
   * Send a request, to this server with the access token. An expired one is refreshed first, once for all requests that
   * wait. Another server, such as that of a file, gets the request as it is.
   */
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).origin !== new URL(this.baseUrl).origin) return fetch(request);
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(REQUEST_MS)]);
    if (!this.#isStored) await this.#save();
    const used = this.#tokens;
    const response = await send(request, used, signal);
    const isExpired = response.status === 401 && !response.redirected && (await code(response)) === "TOKEN_EXPIRED";
    if (!isExpired || !used) return response;
    if (this.#tokens === used) await unlessAborted(this.#refreshed(used), signal);
    return this.#tokens && this.#tokens !== used ? send(request, this.#tokens, signal) : response;
  }

  /** Upload a file under an Idempotency-Key, and return the `data` of the response. */
  async upload(path: string, file: Blob, filename: string): Promise<components["schemas"]["Attachment"]> {
    const body = new FormData();
    body.append("file", file, filename);
    const request = new Request(this.baseUrl + path, { method: "POST", body, headers: newKey() });
    const answer = await (await this.fetch(request)).json();
    if (!answer.success) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.data;
  }

  #refreshed(used: Tokens): Promise<void> {
    this.#refreshing ??= this.#refresh(used).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #refresh(used: Tokens): Promise<void> {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ refreshToken: used.refreshToken });
    const request = new Request(this.baseUrl + REFRESH, { method: "POST", headers, body });
    const response = await send(request, null, AbortSignal.timeout(REFRESH_MS));
    const tokens: Tokens | null = response.ok ? (await response.json()).data.tokens : null;
    if (this.#tokens === used && (tokens || response.status === 401)) await this.#replace(tokens);
  }

  async #replace(tokens: Tokens | null): Promise<void> {
    this.#tokens = tokens; // first: if it cannot be stored, it must not be lost as well
    this.#isStored = false;
    await this.#save();
  }

  /** Store the tokens of this moment, after those before. */
  #save(): Promise<void> {
    const stored = async () => {
      const tokens = this.#tokens;
      await this.store(tokens);
      this.#isStored = tokens === this.#tokens;
    };
    this.#saving = this.#saving.catch(() => {}).then(stored);
    return this.#saving;
  }
}

async function send(request: Request, tokens: Tokens | null, signal: AbortSignal): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const copy = new Request(request.clone(), { signal });
    if (tokens && !copy.headers.has("Authorization")) copy.headers.set("Authorization", `Bearer ${tokens.accessToken}`);
    let seconds: number | null = 2 ** attempt * (0.25 + Math.random() / 4);
    try {
      const response = await fetch(copy);
      seconds = await waiting(request, response);
      if (seconds === null || attempt === ATTEMPTS) return response;
    } catch (error) {
      if (attempt === ATTEMPTS || signal.aborted || !isRepeatable(request)) throw error;
    }
    const pause = new Promise((resume) => setTimeout(resume, (seconds ?? 0) * 1000));
    await unlessAborted(pause, signal);
  }
}

/** Wait for it, or throw the reason of the signal as soon as there is one. */
async function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  work.catch(() => {}); // nobody waits for it after an abort
  signal.throwIfAborted();
  const listening = new AbortController();
  const aborted = new Promise((_, refuse) =>
    signal.addEventListener("abort", () => refuse(signal.reason), { signal: listening.signal }),
  );
  await Promise.race([work, aborted]).finally(() => listening.abort());
}

function isRepeatable({ method, headers, url }: Request): boolean {
  return REPEATABLE.includes(method) || headers.has("Idempotency-Key") || new URL(url).pathname === REFRESH;
}

/** The seconds to wait before the request is sent again, or null where it is not. 429: nothing has happened. */
async function waiting(request: Request, response: Response): Promise<number | null> {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  const isRefused =
    response.status === 429 ||
    (response.status === 503 && isRepeatable(request)) ||
    (response.status === 409 && (await code(response)) === "IDEMPOTENCY_IN_PROGRESS");
  return isRefused && seconds <= MAX_WAIT_SECONDS ? seconds : null;
}

async function code(response: Response): Promise<string | undefined> {
  const body = await response.clone().json().catch(() => null);
  return body?.error?.code;
}

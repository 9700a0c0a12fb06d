// Every call to the service: the token, the errors, the stream of an answer.
import { update } from "./store.js";

const meta = (name) => document.querySelector(`meta[name=searchloom-${name}]`).content;
const demo = meta("token") !== "";
let token = meta("token");

export const parts = () => meta("parts").split(" ").filter(Boolean);
export const signedIn = () => token !== "";
export const signIn = (given) => { token = given; };

// kind: offline | refused | missing | busy | unavailable
export class Failure extends Error {
  constructor(kind, { message = "", requestId = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, requestId, retryAfter });
  }
}

export async function call(path, { body, signal, keepalive } = {}) {
  const response = await ask(path, { body, signal, keepalive });
  return response.json();
}

// Returns the response with its body still to be read; throws a Failure, or an AbortError where `signal` was used.
export async function ask(path, { body, signal, keepalive } = {}, renewed = false) {
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal,
      keepalive,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Failure("offline");
  }
  if (response.ok) return response;
  if (response.status === 401 && demo && !renewed) {
    await renew();
    return ask(path, { body, signal, keepalive }, true);
  }
  if (response.status === 401) update({ signin: { failed: signedIn() } });
  throw await failure(response);
}

async function failure(response) {
  const said = (await response.json().catch(() => ({}))).error ?? {};
  const facts = { message: said.message, requestId: said.request_id ?? response.headers.get("x-request-id") ?? "" };
  if (response.status === 404) return new Failure("missing", facts);
  if (response.status === 429) {
    return new Failure("busy", { ...facts, retryAfter: Number(response.headers.get("Retry-After")) || 1 });
  }
  return new Failure(response.status >= 500 ? "unavailable" : "refused", facts);
}

// A demo token lives for an hour, the page may live longer: a fresh page carries a fresh token.
async function renew() {
  const page = await (await fetch("/")).text();
  token = /name="searchloom-token" content="([\w.-]*)"/.exec(page)?.[1] ?? "";
}

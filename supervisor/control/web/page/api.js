// The API, as supinit serves it beside the page. The token is kept by this tab only (sessionStorage is of one origin).

const KEY = "supinit-token";

export class Refused extends Error {
  constructor(status, code, message, body) {
    super(message);
    Object.assign(this, { status, code, body });
  }
}

export const access = { mode: "read", changed: () => {} };

export const token = () => sessionStorage.getItem(KEY);
export const keepToken = (text) => sessionStorage.setItem(KEY, text);
export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

function headers() {
  return token() === null ? {} : { Authorization: `Bearer ${token()}` };
}

async function check(response) {
  const mode = response.headers.get("Supinit-Access");
  if (mode !== null && mode !== access.mode) {
    access.mode = mode;
    access.changed();
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const error = body.error ?? { code: "unknown", message: `supinit answered ${response.status}` };
  if (error.code === "wrong_token") forgetToken();
  throw new Refused(response.status, error.code, error.message, body);
}

export async function get(path, limit = 10000) {
  const signal = AbortSignal.timeout(limit);
  return (await check(await fetch(path, { headers: headers(), signal }))).json();
}

export async function post(path, body) {
  const options = { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await check(await fetch(path, options))).json();
}

// Gives each line of an NDJSON stream to `take`, as many at once as have come. Returns at its end.
export async function stream(path, take, signal) {
  const response = await check(await fetch(path, { headers: headers(), signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    const objects = lines.filter((line) => line !== "").map((line) => JSON.parse(line));
    if (objects.length > 0) take(objects);
  }
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

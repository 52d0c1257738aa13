// @ts-check
/** Asks the server. Every address is relative to the page's own, so that it can stand below any path. */

export const OWN = "api/smtpfix/v1";
export const MAILPIT = "api/v1";

/** What the journal tells of. */
const KINDS = ["new", "read", "tags", "delete", "prune", "truncate", "session", "setting", "rules", "audit"];
/** Milliseconds until a stream that the server has refused is tried again. */
const AGAIN = 3000;

/**
 * Ask for something, and return its JSON, or its text. Throws an Error with the server's own sentence.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.text();
  if (!answer.ok) throw new Error(sentence(body) || `${answer.status} ${answer.statusText}`);
  return answer.headers.get("content-type")?.includes("json") ? JSON.parse(body) : body;
}

/**
 * Ask for a text, and return its beginning, and whether that is all of it.
 * @param {string} path
 * @param {number} octets
 * @returns {Promise<[string, boolean]>}
 */
export async function beginning(path, octets) {
  const answer = await fetch(path);
  if (!answer.ok || !answer.body) throw new Error(sentence(await answer.text()) || answer.statusText);
  const reader = answer.body.getReader(), decoder = new TextDecoder();
  let text = "";
  for (let taken = 0; taken < octets; ) {
    const { done, value } = await reader.read();
    if (done) return [text + decoder.decode(), true];
    taken += value.length;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return [text, false];
}

/** @param {string} body */
function sentence(body) {
  try {
    const { error, Error: other } = JSON.parse(body);
    return error ?? other;
  } catch {
    return body.slice(0, 300);
  }
}

/**
 * Have something changed.
 * @param {string} method
 * @param {string} path
 * @param {object} [value]
 */
export const change = (method, path, value) =>
  ask(path, { method, headers: { "Content-Type": "application/json" }, body: value && JSON.stringify(value) });

/**
 * Tell of everything that happens, while the tab can be seen: browsers allow six connections to a host.
 * @param {(change: Change) => void} tell `prune` stands for whatever may have happened meanwhile
 * @param {(isLive: boolean) => void} state
 */
export function follow(tell, state) {
  /** @type {EventSource | null} */
  let stream = null;
  /** @type {number | undefined} */
  let later;
  const close = () => {
    clearTimeout(later);
    stream?.close();
    stream = null;
  };
  const open = () => {
    close();
    stream = new EventSource(`${OWN}/events`);
    stream.onopen = () => {
      state(true);
      tell({ kind: "prune", data: {} }); // what came before it was open
    };
    stream.onerror = () => {
      state(false);
      if (stream?.readyState === EventSource.CLOSED) later = setTimeout(open, AGAIN);
    };
    for (const kind of KINDS)
      stream.addEventListener(kind, (event) => tell({ kind, data: JSON.parse(/** @type {MessageEvent} */ (event).data) }));
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  if (!document.hidden) open();
}

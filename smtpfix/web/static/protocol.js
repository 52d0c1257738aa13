// @ts-check
/** What was said in a session, line by line, and cards of what was seen in it. */

import { bdi, h, visible } from "./dom.js";

/** Lines of a dialogue that are shown. */
const MOST = 3000;


/**
 * @param {any} session as the API has it; null: not known
 * @param {any} [smtp] how the message came
 * @param {any[]} [wrong] what is against the standards in it
 */
export function protocol(session, smtp, wrong = []) {
  if (!session && !smtp?.session) return h("p", { class: "dim" }, "It came by HTTP, so there is no dialogue.");
  if (!session) return h("p", { class: "dim" }, "Its session is no longer kept.");
  return h("div", { class: "two" }, dialogue(session.dialogue ?? []), h("div", { class: "cards" }, cards(session, smtp, wrong)));
}

/** @param {{at: number, kind: string, lines: string[]}[]} events */
function dialogue(events) {
  const lines = events.flatMap((event) => event.lines.map((line, n) => said(event, line, n === 0)));
  const left = lines.length - MOST;
  return h("div", { class: "talk", role: "table", "aria-label": "Everything that was said" }, lines.slice(0, MOST),
    left > 0 && h("p", { class: "dim pad" }, `and ${left.toLocaleString()} lines more`));
}

/**
 * @param {{at: number, kind: string}} event
 * @param {string} line
 * @param {boolean} isFirst
 */
function said({ at, kind }, line, isFirst) {
  const side = kind === "S" ? "S" : kind === "--" ? "" : "C";
  const looks = [side || "note", kind === "content" && "content", kind === "S*" && "secret", side === "S" && /^[45]\d\d\b|^-ERR|^\S+ (NO|BAD)\b/.test(line) && "wrong",
    kind === "--" && /^TLS begins|^TLSv|handshake complete/i.test(line) && "tls", kind === "--" && /alert|failed/i.test(line) && "wrong"];
  return h("div", { class: looks.filter(Boolean).join(" "), role: "row" },
    h("span", { class: "moment", role: "cell" }, isFirst ? at.toFixed(4) : ""),
    h("i", { role: "cell" }, side, side && h("span", { class: "unseen" }, side === "S" ? "erver" : "lient")),
    h("span", { class: "line", role: "cell" }, bdi(line)));
}

/**
 * @param {any} session
 * @param {any} smtp
 * @param {any[]} wrong
 */
function cards(session, smtp, wrong) {
  const facts = session.facts, all = [...wrong, ...facts.violations];
  return [
    card(all.length ? "Against the standards" : "Standards", all.length ? "warn" : "", violations(all, "Nothing against them was seen.")),
    facts.auth.map((/** @type {any} */ one) => {
      const inClear = one.password_in_clear || one.token_in_clear;
      return card(`AUTH ${visible(one.mechanism)}`, inClear ? "bad" : "", pairs({
        user: bdi(one.user), answer: one.accepted ? "accepted" : "refused",
        secret: inClear ? `${one.password_in_clear ? "the password" : "the token"} went over the wire in clear` : one.in_clear ? "not in clear" : "inside TLS",
      }));
    }),
    card("TLS", facts.tls_failure ? "bad" : "", tls(facts)),
    smtp && card("Envelope", "", pairs({
      "MAIL FROM": bdi(smtp.reverse_path || "<>"), "RCPT TO": smtp.recipients.map((/** @type {string} */ one, /** @type {number} */ n) => [n > 0 && ", ", bdi(one)]),
      answered: bdi(smtp.reply ?? "nothing"),
    })),
    card("Client", "", pairs({
      address: bdi(facts.client.join(":")), "forwarded by": facts.forwarded_by && bdi(facts.forwarded_by), "calls itself": facts.client_name && bdi(facts.client_name),
      server: bdi(session.server), lasted: `${(facts.duration * 1000).toFixed(1)} ms`, end: facts.end ?? "not yet", messages: facts.messages, read: facts.retrievals.length || null,
    })),
  ];
}

/**
 * Return the version of TLS, and how it began.
 * @param {{version: string, started_by: string}} tls
 */
export const begun = ({ version, started_by: by }) =>
  `${version.replace("TLSv", "TLS ")} ${by === "connect" ? "on connect" : `by ${by}`}`;

/** @param {any} facts */
function tls(facts) {
  const hello = facts.client_hello;
  const offered = hello && { "client offered": `${hello.versions.join(", ")}; ${hello.ciphers.length} cipher suites` };
  if (facts.tls) {
    const { version, cipher, started_by: by, server_name: name, client_certificate: shown } = facts.tls;
    return pairs({ version, cipher, begun: by === "connect" ? "on connect" : `by ${by}`, "server name": name ? bdi(name) : "not asked for", "client's certificate": shown && bdi(shown), ...offered });
  }
  if (!facts.tls_failure) return "None: everything was said in clear.";
  const { reason, alert, alert_sender: sender } = facts.tls_failure;
  return pairs({ failed: bdi(reason), alert: alert && `${alert}, by the ${sender}`, ...offered });
}

/**
 * @param {{id: string, explanation: string, standard: string}[]} found
 * @param {string} none
 */
export function violations(found, none) {
  if (!found.length) return h("p", { class: "dim" }, none);
  return h("ul", { class: "violations" }, found.map((one) => h("li", null, h("code", null, one.id), h("span", null, bdi(one.explanation)), h("small", null, one.standard))));
}

/**
 * @param {string} title
 * @param {string} kind
 * @param {...Child} inside
 */
const card = (title, kind, ...inside) => h("section", { class: `card ${kind}` }, h("h3", null, title), inside);

/** @param {Record<string, Child>} values those that are null are left out */
const pairs = (values) =>
  h("dl", null, Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));

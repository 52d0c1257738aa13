// @ts-check
/** The sessions, also those that brought no mail, and one of them. */

import { ask, OWN } from "./api.js";
import { bdi, fill, h, icon } from "./dom.js";
import { chip, counted, time } from "./format.js";
import { protocol } from "./protocol.js";

const PER_PAGE = 100;
/** Milliseconds until what lasts is looked at again: only the end of a session is told. */
const AGAIN = 1500;
const WHICH = { "": "All", without_mail: "Without mail", failed: "Failed" };

/**
 * @param {HTMLElement} place
 * @returns {View}
 */
export function open(place) {
  const main = h("main", { class: "page", tabindex: -1 });
  place.append(main);
  let id = "", which = "", start = 0, made = "", asked = 0, later = 0;

  /** Look again, where somebody sees it. */
  function look() {
    if (document.hidden) later = setTimeout(look, AGAIN);
    else load();
  }

  async function load() {
    clearTimeout(later);
    const mine = ++asked;
    const path = id ? `${OWN}/sessions/${encodeURIComponent(id)}` : `${OWN}/sessions?start=${start}&limit=${PER_PAGE}${which && `&${which}=1`}`;
    try {
      const answer = await ask(path);
      const now = JSON.stringify([path, { ...answer, seq: 0 }]);
      if (mine !== asked) return;
      if (!id || answer.facts.end === null) later = setTimeout(look, AGAIN);
      if (now === made) return;
      made = now;
      id ? one(answer) : several(answer);
    } catch (error) {
      fill(main, heading("Not here any more"), h("p", null, error.message));
    }
  }

  /** @param {any} session */
  function one(session) {
    const began = new Date(session.began).toLocaleString();
    fill(main, h("a", { class: "link", href: "#/sessions" }, icon("back"), "Sessions"), heading(bdi(session.server), ` · ${began}`),
      h("p", { class: "dim" }, session.has_mail
        ? [counted(session.facts.messages, "message"), " came in it. "]
        : "No message came in it. ", session.facts.end ? `It ended: ${session.facts.end}.` : "It has not ended yet."),
      protocol(session));
  }

  /** @param {{lasting: any[], sessions: any[]}} answer */
  function several({ lasting, sessions }) {
    const rows = [...lasting, ...sessions];
    fill(main, heading("Sessions"),
      h("p", { class: "dim" }, "Every connection, even those that brought no mail: a handshake that failed, a password that was refused, a client that hung up."),
      h("div", { class: "row-of-buttons" }, h("span", { class: "group", role: "group", "aria-label": "Which" }, Object.entries(WHICH).map(([name, label]) =>
        h("a", { class: "tool", href: name ? `#/sessions?which=${name}` : "#/sessions", "aria-current": name === which && "page" }, label)))),
      rows.length === 0 ? h("div", { class: "empty" }, h("h2", null, "None yet"), h("p", null, "Sessions appear here when they begin."))
        : h("div", { class: "wide-table" }, h("table", null,
          h("thead", null, h("tr", null, ["When", "Server", "Client", "TLS", "AUTH", "Mail", "End", "Seen"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", null, rows.map(row)))),
      (start > 0 || sessions.length === PER_PAGE) && h("div", { class: "pager" },
        h("a", { class: "button", href: page(Math.max(0, start - PER_PAGE)), hidden: start === 0 }, "Newer"),
        h("a", { class: "button", href: page(start + PER_PAGE), hidden: sessions.length < PER_PAGE }, "Older")));
  }

  /** @param {number} from */
  const page = (from) => `#/sessions?${new URLSearchParams({ ...(which && { which }), start: String(from) })}`;

  return {
    go(route) {
      [id, which, start, made] = [route.words[1] ?? "", route.query.get("which") ?? "", Number(route.query.get("start")) || 0, ""];
      if (!(which in WHICH)) which = "";
      load();
    },
    async changed(changes) {
      if (changes.some((one) => one.kind !== "read" && one.kind !== "tags")) await load();
    },
    close() {
      clearTimeout(later);
      asked++;
    },
    key(pressed) {
      if (pressed !== "Escape" || !id) return false;
      location.hash = "#/sessions";
      return true;
    },
  };
}

/** @param {...Child} inside */
const heading = (...inside) => h("h1", null, inside);

/** @param {any} session */
function row({ id, server, began, facts }) {
  const seen = facts.tls_failure?.reason ?? facts.refusal ?? facts.violations[0]?.explanation ?? "";
  const failed = facts.end !== null && facts.end !== "quit";
  return h("tr", null,
    h("td", null, h("a", { href: `#/sessions/${encodeURIComponent(id)}` }, time(began))),
    h("td", null, bdi(server)),
    h("td", null, bdi(facts.client_name || facts.client[0])),
    h("td", null, facts.tls ? chip({ kind: "ok" }, facts.tls.version.replace("TLSv", "TLS ")) : facts.tls_failure ? chip({ kind: "bad" }, facts.tls_failure.alert ?? "failed") : chip({ kind: "warn" }, "clear")),
    h("td", null, facts.auth.slice(0, 2).map((/** @type {any} */ one) =>
      chip({ kind: one.password_in_clear || one.token_in_clear ? "bad" : one.accepted ? "ok" : "warn" },
        h("span", null, one.mechanism, " ", bdi(one.user), !one.accepted && ", refused")))),
    h("td", null, facts.messages || (facts.retrievals.length ? `${facts.retrievals.length} read` : "–")),
    h("td", null, facts.end === null ? chip({ kind: "ok" }, "open") : failed ? chip({ kind: "warn" }, facts.end) : facts.end),
    h("td", { class: "seen" }, bdi(seen)));
}

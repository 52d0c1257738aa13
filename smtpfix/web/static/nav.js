// @ts-check
/** The list of what can be opened, at the left. */

import { bdi, h, icon } from "./dom.js";
import { VIEWS } from "./views.js";

/** @param {NavState} state */
export function nav({ overview, counts, isLive, route, switchTheme, help }) {
  const word = route.words[0] || "", isMail = word === "" || word === "message", now = route.query.get("q") ?? "";
  /** @type {(sign: Icon, text: Child, query: string, count?: number) => HTMLElement} */
  const search = (sign, text, query, count) =>
    entry(sign, text, query ? `#/?q=${encodeURIComponent(query)}` : "#/", isMail && now === query, count);
  const servers = overview?.servers.filter((/** @type {any} */ one) => one.messages || one.takes_mail) ?? [];
  /** @type {[string, number][]} */
  const mailboxes = Object.entries(overview?.mailboxes ?? {});
  const tags = Object.entries(counts.tags);
  return [
    h("a", { class: "brand", href: "#/" }, h("img", { src: "static/icon.svg", alt: "", width: 24, height: 24 }), "smtpfix",
      h("small", null, overview?.version ?? "")),
    overview?.label && h("p", { class: "label" }, bdi(overview.label)),
    overview?.mailbox && [h("p", { class: "label mailbox-name" }, "Mailbox ", h("b", null, bdi(overview.mailbox))), list(entry("back", "All mail", "../../", false))],
    list(
      search("inbox", "Inbox", "", counts.total),
      search("dot", "Unread", "is:unread", counts.unread),
      search("open", "Came in clear", "is:in-clear"),
      search("clip", "Attachments", "has:attachment"),
    ),
    servers.length > 0 && [
      h("h2", { id: "nav-servers" }, "Servers"),
      list(...servers.map((/** @type {any} */ one) => search("plug", bdi(one.name), `server:${quoted(one.name)}`, one.messages))),
    ],
    mailboxes.length > 1 && [
      h("h2", { id: "nav-mailboxes" }, "Mailboxes"),
      list(...mailboxes.filter(([name]) => name).map(([name, count]) => entry("user", bdi(name), `m/${encodeURIComponent(name)}/`, false, count))),
    ],
    tags.length > 0 && [
      h("h2", { id: "nav-tags" }, "Tags"),
      list(...tags.map(([name, count]) => search("tag", bdi(name), `tag:${quoted(name)}`, count))),
    ],
    h("h2", null, "Behind the mail"),
    list(...VIEWS.slice(1).filter((one) => !one.shown || one.shown(overview)).map((one) => entry(one.icon ?? "rule", one.title, `#/${one.words[0]}`, one.words.includes(word)))),
    h("div", { class: "grow" }),
    h("button", { class: "entry", onclick: switchTheme }, icon("moon"), "Light or dark"),
    h("button", { class: "entry", onclick: help }, icon("key"), "Keys and search", h("kbd", null, "?")),
    h("p", { class: "entry live" }, h("span", { class: isLive ? "lamp on" : "lamp" }), isLive ? "Live" : "Connecting…"),
  ];
}

/** @param {string} name */
const quoted = (name) => (/\s/.test(name) ? `"${name}"` : name);

/** @param {...HTMLElement} entries */
const list = (...entries) => h("ul", null, entries.map((one) => h("li", null, one)));

/**
 * @param {Icon} sign
 * @param {Child} text
 * @param {string} href
 * @param {boolean} isCurrent
 * @param {number} [count]
 */
const entry = (sign, text, href, isCurrent, count) =>
  h("a", { class: "entry", href, "aria-current": isCurrent && "page" }, icon(sign), h("span", null, text),
    count !== undefined && h("b", null, count.toLocaleString()));

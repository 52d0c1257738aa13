// @ts-check
/** What each tab of a message shows. */

import { ask, beginning, MAILPIT, OWN } from "./api.js";
import { checkHTML, offerLinks } from "./checks.js";
import { bdi, fill, h, visible } from "./dom.js";
import { copyButton, size } from "./format.js";
import { protocol, violations } from "./protocol.js";

/** Characters of a text or a source that are shown; all of it can be downloaded. */
const LONGEST = 500_000;
/** Kinds of tests, and what each is called. */
const STYLES = { pytest: "pytest", mailpit: "mailpit-api", cypress: "Cypress", curl: "curl" };

/** @type {{id: string, title: string, has?: (all: any) => boolean, count?: (all: any) => number, show: Tab}[]} */
export const TABS = [
  { id: "html", title: "HTML", has: (all) => all.message.HTML !== "", show: showHTML },
  { id: "text", title: "Text", show: showText },
  { id: "protocol", title: "Protocol", show: (pane, { all }) => fill(pane, h("div", { class: "pad" }, protocol(all.session, all.smtp, all.violations))) },
  { id: "parts", title: "Parts", show: (pane, { all, id }) => fill(pane, h("div", { class: "pad" }, h("ul", { class: "tree" }, tree(all.parts, id)))) },
  { id: "headers", title: "Headers", show: showHeaders },
  { id: "source", title: "Source", show: showSource },
  { id: "checks", title: "Checks", count: (all) => found(all).length, show: showChecks },
  { id: "test", title: "As a test", show: showTest },
];

/** @param {any} all */
const found = (all) => [...all.violations, ...(all.session?.facts.violations ?? [])];

// HTML

const WIDTHS = { "": "Wide", "w768": "768", "w375": "375" };
/** How the frame stands; the same for the next message. */
const frame = { width: "", isDark: false };

/** Whether HTML names something that is elsewhere: what a message does so with, the frame's policy stops in any case. */
const ELSEWHERE = /(?:src|srcset|background|poster)\s*=\s*["']?\s*(?:https?:)?\/\/|url\(\s*["']?\s*(?:https?:)?\/\/|@import|<link\b/i;

/** @type {Tab} */
function showHTML(pane, { all, id, tools }) {
  let isRemote = false;
  const inside = h("iframe", {
    title: "The message, without scripts", sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer",
  });
  const notice = h("div", { class: "notice" }, "What this message wants to load from elsewhere is left out.",
    h("button", { class: "link", onclick: () => load(true) }, "Load it"));
  /** @param {boolean} remote */
  function load(remote) {
    isRemote = remote;
    inside.src = `view/${id}.html?embed=1&peek=1${isRemote ? "&remote=1" : ""}`;
    notice.hidden = isRemote || !ELSEWHERE.test(all.message.HTML);
  }
  function draw() {
    box.className = `frame ${frame.width} ${frame.isDark ? "dark" : ""}`;
    fill(tools,
      h("span", { class: "group", role: "group", "aria-label": "Width" }, Object.entries(WIDTHS).map(([width, label]) =>
        tool(label, frame.width === width, () => (frame.width = width), width ? `${label} pixels wide` : "as wide as there is room"))),
      tool("Dark", frame.isDark, () => (frame.isDark = !frame.isDark), "as in a dark mail program"));
  }
  /** @type {(label: string, isOn: boolean, act: () => void, title: string) => HTMLElement} */
  const tool = (label, isOn, act, title) => h("button", { class: "tool", "aria-pressed": String(isOn), title, onclick: () => (act(), draw()) }, label);
  const box = h("div", null, inside);
  draw();
  load(false);
  fill(pane, notice, box);
}

// Text, headers, parts and source

/** @type {Tab} */
function showText(pane, { all }) {
  const text = all.message.Text.replaceAll("\r\n", "\n");
  fill(pane, h("div", { class: "pad" }, text ? h("pre", { class: "said", dir: "auto" }, linked(text)) : h("p", { class: "dim" }, "It has no text part.")));
}

/**
 * Return a text with its URLs as links, which tell nobody where they are on.
 * @param {string} text
 */
function linked(text) {
  const pieces = cut(text).split(/(https?:\/\/[^\s<>"']{1,2000})/);
  return pieces.map((piece, n) => (n % 2 ? h("a", { href: piece, target: "_blank", rel: "noreferrer noopener" }, visible(piece)) : visible(piece, true)));
}

/** @param {string} text */
const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… and ${text.length - LONGEST} characters more` : text);

/** @type {Tab} */
function showHeaders(pane, { all }) {
  fill(pane, h("table", { class: "headers" }, h("thead", { class: "unseen" }, h("tr", null, h("th", null, "Name"), h("th", null, "Value"))),
    h("tbody", null, all.headers.map((/** @type {string[]} */ [name, value]) => h("tr", null, h("th", { scope: "row" }, bdi(name)), h("td", null, bdi(value)))))));
}

/**
 * @param {any} part
 * @param {string} id
 * @returns {HTMLElement}
 */
function tree(part, id) {
  if (part.parts.length) return h("li", null, h("b", null, bdi(part.type)), h("ul", null, part.parts.map((/** @type {any} */ one) => tree(one, id))));
  return h("li", null,
    h("a", { href: `${MAILPIT}/message/${id}/part/${part.id}`, target: "_blank", rel: "noreferrer noopener" }, bdi(part.name || part.type)),
    h("small", null, part.name && [bdi(part.type), ", "], size(part.size), part.encoding && [", ", bdi(part.encoding)]));
}

/** @type {(...about: Parameters<Tab>) => Promise<void>} */
async function showSource(pane, { id, tools, app }) {
  fill(tools, h("a", { class: "tool", href: `${OWN}/messages/${id}/raw`, download: true }, "Download"));
  try {
    const [raw, isAll] = await beginning(`${OWN}/messages/${id}/raw`, LONGEST);
    fill(pane, h("div", { class: "pad" }, h("pre", { class: "said" }, visible(raw.replaceAll("\r\n", "\n"), true)),
      !isAll && h("p", { class: "dim" }, "There is more: download it.")));
  } catch (error) {
    app.say(error.message);
  }
}

// Checks, and the message as a test

/** @type {Tab} */
function showChecks(pane, { all, id, app }) {
  const session = all.session?.facts.violations ?? [], html = all.message.HTML !== "" && h("div");
  const links = h("div", null, h("p", { class: "dim" }, "Not asked for: start the server with --link-check."));
  fill(pane, h("div", { class: "pad narrow" },
    h("h2", null, "The message"), violations(all.violations, "Nothing in the message violates the standards."),
    h("h2", null, "Its session"), violations(session, all.session ? "Nothing that its client said violates the standards." : "Its session is not known."),
    html && [h("h2", null, "HTML in mail programs"), html], h("h2", null, "Links"), links));
  if (html) checkHTML(html, id);
  if (app.overview()?.checks_links) offerLinks(links, id);
}

let style = "pytest";

/** @type {Tab} */
function showTest(pane, { id, tools, app }) {
  const code = h("pre", { class: "said" }), base = encodeURIComponent(new URL(".", location.href).href);
  async function load() {
    fill(tools, h("span", { class: "group", role: "group", "aria-label": "Written for" }, Object.entries(STYLES).map(([one, label]) =>
      h("button", { class: "tool", "aria-pressed": String(one === style), onclick: () => ((style = one), load()) }, label))));
    try {
      code.textContent = await ask(`${OWN}/messages/${id}/test?style=${style}&base=${base}`);
    } catch (error) {
      app.say(error.message);
    }
  }
  fill(pane, h("div", { class: "pad" }, h("p", { class: "dim" }, "What this message shows, as a test of your program:"),
    h("div", { class: "code" }, copyButton(() => code.textContent ?? ""), code)));
  load();
}

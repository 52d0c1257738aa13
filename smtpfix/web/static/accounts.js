// @ts-check
/** What IMAP and POP3 clients find: accounts and folders, how messages are marked, and what was taken out. */

import { ask, OWN } from "./api.js";
import { bdi, fill, h } from "./dom.js";
import { chip, counted, size, time } from "./format.js";

/** @type {Open} */
export function open(place, app) {
  const main = h("main", { class: "page", tabindex: -1 });
  place.append(main);
  let made = "", user = "";

  async function load() {
    const answer = await ask(`${OWN}/accounts`), now = JSON.stringify([user, { ...answer, seq: 0 }]);
    if (now === made) return;
    made = now;
    const { accounts, count } = answer;
    const one = accounts.find((/** @type {any} */ each) => each.user === user) ?? accounts[0];
    fill(main, h("h1", null, "Incoming accounts"),
      h("p", { class: "dim" }, "Who reads mail here by IMAP or POP3, and what became of it. What readers delete stays in the inbox. ", h("a", { href: "#/sessions?which=without_mail" }, "Sessions of readers")),
      one ? [
        h("div", { class: "row-of-buttons ready" }, accounts.map((/** @type {any} */ each) =>
          h("a", { class: "tool", href: `#/accounts/${encodeURIComponent(each.user)}`, "aria-current": each === one && "page" }, bdi(each.user), ` · ${each.messages}`)),
        count > accounts.length && h("span", { class: "dim" }, `and ${count - accounts.length} more`)),
        account(one),
      ] : h("div", { class: "empty" }, h("h2", null, "None yet"), h("p", null, "An account appears when somebody logs in.")));
  }

  return {
    go(route) {
      user = route.words[1] ?? "";
      load().catch((error) => app.say(error.message));
    },
    changed: load,
  };
}

/** @param {any} one */
function account(one) {
  return [
    one.folders.map((/** @type {any} */ folder) => [
      h("h2", null, bdi(folder.name), h("small", null, ` · ${counted(folder.count, "message")}`, folder.count > 0 && `, ${folder.seen} read`, folder.deleted > 0 && `, ${folder.deleted} marked as deleted`)),
      folder.messages.length > 0 && table(folder.messages),
      folder.count > folder.messages.length && h("p", { class: "dim" }, `and ${folder.count - folder.messages.length} older ones`),
    ]),
    one.gone_count > 0 && [
      h("h2", null, "Taken out", h("small", null, ` · ${counted(one.gone_count, "message")}`, one.lost_count > 0 && [", ", chip({ kind: "bad" }, `${one.lost_count} never read`)])),
      table(one.gone, true),
    ],
  ];
}

/**
 * @param {any[]} messages
 * @param {boolean} [isGone]
 */
const table = (messages, isGone) => h("div", { class: "wide-table" }, h("table", null,
  h("thead", null, h("tr", null, ["UID", "Subject", "Came", "Size", "Flags", "Read whole", isGone && "Taken out"].map((name) => name && h("th", { scope: "col" }, name)))),
  h("tbody", null, messages.map((one) => h("tr", null,
    h("td", null, one.uid),
    h("td", { class: "seen" }, bdi(one.subject || "(no subject)"), !one.is_captured && " (put here by a reader)"),
    h("td", null, time(one.date)),
    h("td", null, size(one.size)),
    h("td", null, one.flags.map((/** @type {string} */ flag) => chip({ kind: flag === "\\Deleted" ? "warn" : "" }, bdi(flag)))),
    h("td", null, one.retrievals ? `${one.retrievals} ×` : "–"),
    isGone && h("td", null, one.how, " in ", bdi(one.folder), one.session && [", ", h("a", { href: `#/sessions/${encodeURIComponent(one.session)}` }, "session")]))))));

// @ts-check
/** The inbox: the list at the left, and the message that is open, or what there is to do while there is none. */

import { change, MAILPIT } from "./api.js";
import { h } from "./dom.js";
import { empty } from "./empty.js";
import { List } from "./list.js";
import { Message } from "./message.js";

/** @type {Open} */
export function open(place, app) {
  let query = "", start = 0, id = "", tab = "";
  const list = new List(app, { go: (to) => (location.hash = address(to)), address: (to) => address(to), loaded });
  const main = h("main", { "aria-labelledby": "subject", tabindex: -1 });
  const message = new Message(main, app, { address: (to) => address(to), remove, unread, back });
  const box = h("div", { class: "mail" }, list.element, main);
  place.append(box);

  /** @param {{id?: string, tab?: string, query?: string, start?: number}} to */
  function address(to) {
    const said = { id, tab, query, start, ...to };
    const path = said.id ? `#/message/${said.id}${said.tab ? `/${said.tab}` : ""}` : "#/";
    const behind = new URLSearchParams();
    if (said.query) behind.set("q", said.query);
    if (said.start) behind.set("start", String(said.start));
    return String(behind) ? `${path}?${behind}` : path;
  }

  function loaded() {
    if (!id) empty(main, app, list, query);
  }

  function back() {
    location.hash = address({ id: "", tab: "" });
  }

  async function remove() {
    const next = list.beside(1) ?? list.beside(-1);
    await change("DELETE", `${MAILPIT}/messages`, { IDs: [id] });
    app.say("Deleted.");
    location.hash = address({ id: next ?? "" });
    await list.load(query, start);
  }

  async function unread() {
    await change("PUT", `${MAILPIT}/messages`, { IDs: [id], Read: false });
    app.say("Marked as unread.");
    back();
  }

  return {
    go(route) {
      const isMessage = route.words[0] === "message";
      const [before, was] = [`${query} ${start}`, id];
      [id, tab] = isMessage ? [route.words[1] ?? "", route.words[2] ?? ""] : ["", ""];
      query = route.query.get("q") ?? "";
      start = Number(route.query.get("start")) || 0;
      box.classList.toggle("open", id !== "");
      list.choose(id);
      if (`${query} ${start}` !== before || list.isNew) list.load(query, start).catch((error) => app.say(error.message));
      if (id) {
        message.show(id, tab);
        if (id !== was && document.activeElement !== list.search) main.focus({ preventScroll: true });
      } else {
        message.forget();
        loaded();
        if (was) list.focus(was);
      }
    },
    async changed(changes) {
      const isAll = changes.some((one) => one.kind === "prune" || one.kind === "truncate");
      /** @type {(kind: string) => boolean} */
      const has = (kind) => changes.some((one) => one.kind === kind && one.data.id === id);
      if (id && (isAll || has("delete") || has("tags"))) message.again();
      if (id && changes.some((one) => one.kind === "session" && one.data.id === message.session)) message.again();
      if (changes.some((one) => !["session", "setting"].includes(one.kind))) await list.load(query, start);
      else loaded();
    },
    key(pressed) {
      if (pressed === "/") list.search.focus();
      else if (pressed === "j" || pressed === "k") {
        const next = list.beside(pressed === "j" ? 1 : -1);
        if (next) location.hash = address({ id: next });
      } else if (!id) return false;
      else if (pressed === "p") location.hash = address({ tab: "protocol" });
      else if (pressed === "t") location.hash = address({ tab: "test" });
      else if (pressed === "u") unread();
      else if (pressed === "#") remove();
      else if (pressed === "Escape") back();
      else return false;
      return true;
    },
  };
}

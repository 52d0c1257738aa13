// @ts-check
/** The list of messages, 100 at a time, and the search above it. */

import { ask, change, MAILPIT, OWN } from "./api.js";
import { bdi, fill, h, icon } from "./dom.js";
import { counted, name, time } from "./format.js";

const PER_PAGE = 100;
/** Milliseconds without a key after which what was typed is searched for. */
const TYPING = 250;

export class List {
  /**
   * @param {App} app
   * @param {{go: (to: To) => void, address: (to: To) => string, loaded: () => void}} mail
   */
  constructor(app, mail) {
    this.app = app;
    this.mail = mail;
    this.isNew = true;
    this.chosen = "";
    this.query = "";
    this.asked = this.typing = 0;
    /** @type {any} */
    this.page = null;
    /** @type {Map<string, {made: string, row: HTMLElement}>} */
    this.rows = new Map();
    this.search = h("input", {
      type: "search", placeholder: "Search, such as from:shop is:unread", "aria-label": "Search", maxlength: 500,
      spellcheck: "false", autocomplete: "off", oninput: () => this.typed(),
    });
    this.count = h("span", { role: "status" });
    this.acts = h("span", { class: "row-of-buttons" });
    this.bar = h("div", { class: "bar" }, this.count, h("span", { class: "grow" }), this.acts);
    this.body = h("ol", { class: "rows", "aria-label": "Messages" });
    this.foot = h("div", { class: "pager" });
    this.element = h("section", { class: "list", "aria-label": "Messages" },
      h("form", { class: "search", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
        this.search, h("kbd", { "aria-hidden": "true" }, "/")),
      this.bar, this.body, this.foot);
  }

  typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.typing = 0;
      this.mail.go({ query: this.search.value.trim(), start: 0 });
    }, TYPING);
  }

  /**
   * Show what matches. What was asked for before and comes later is not shown.
   * @param {string} query
   * @param {number} start
   */
  async load(query, start) {
    const asked = ++this.asked;
    if (this.query !== query || this.isNew) {
      if (!this.typing && this.search.value.trim() !== query) this.search.value = query;
      this.body.scrollTop = 0;
    }
    [this.isNew, this.query] = [false, query];
    const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");
    const page = await ask(`${OWN}/messages?query=${encodeURIComponent(query)}&start=${start}&limit=${PER_PAGE}&tz=${zone}`);
    if (asked !== this.asked) return;
    this.page = page;
    this.draw();
    this.app.counted(page);
    this.mail.loaded();
  }

  draw() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.id, before = this.rows;
    this.rows = new Map();
    for (const one of /** @type {Summary[]} */ (this.page.messages)) {
      const made = JSON.stringify(one), known = before.get(one.ID);
      this.rows.set(one.ID, known?.made === made ? known : { made, row: this.row(one) });
    }
    fill(this.body, [...this.rows.values()].map((one) => one.row));
    if (focused) this.focus(focused);
    this.choose(this.chosen);
    this.drawBar();
    this.drawFoot();
  }

  drawBar() {
    const { matching, total, unread } = this.page;
    const what = this.query ? `${matching.toLocaleString()} of ${total.toLocaleString()}` : counted(total, "message");
    const mayDelete = matching > 0 && (this.query !== "" || this.app.overview()?.may_delete_all !== false);
    const said = unread > 0 && !this.query ? `${what} · ${unread.toLocaleString()} unread` : what;
    if (this.count.textContent !== said) this.count.textContent = said; // a screen reader reads it out
    fill(this.acts,
      unread > 0 && h("button", { class: "link", onclick: () => this.readAll() }, "Mark all read"),
      mayDelete && h("button", { class: "link", onclick: () => this.deleteAll() }, this.query ? "Delete these" : "Delete all"));
  }

  drawFoot() {
    const { start, matching } = this.page, end = start + this.rows.size;
    this.foot.hidden = matching <= PER_PAGE && start === 0;
    fill(this.foot,
      h("button", { class: "button", disabled: start === 0, onclick: () => this.mail.go({ start: Math.max(0, start - PER_PAGE) }) }, "Newer"),
      h("span", null, `${(start + 1).toLocaleString()}–${end.toLocaleString()} of ${matching.toLocaleString()}`),
      h("button", { class: "button", disabled: end >= matching, onclick: () => this.mail.go({ start: start + PER_PAGE }) }, "Older"));
  }

  /** @param {Summary} one */
  row(one) {
    const to = one.To.map(name).join(", ") || one.Bcc.map(name).join(", ") || one.smtp.recipients.join(", ");
    const { in_tls: inTLS, accepted } = one.smtp;
    return h("li", { class: one.Read ? "row" : "row new" },
      h("a", { href: this.mail.address({ id: one.ID }), "data-id": one.ID },
        h("span", { class: "who" }, bdi(name(one.From)), " → ", bdi(to)), time(one.Created),
        h("span", { class: "subject" }, !one.Read && h("span", { class: "unseen" }, "Unread: "), bdi(one.Subject || "(no subject)")),
        h("span", { class: "snippet" }, bdi(one.Snippet)),
        h("span", { class: "marks" },
          !accepted && h("span", { class: "tag refused" }, "refused"),
          one.Tags.slice(0, 2).map((tag) => h("span", { class: "tag" }, bdi(tag))),
          one.Attachments > 0 && h("span", { title: counted(one.Attachments, "attachment") }, icon("clip"),
            h("span", { class: "unseen" }, counted(one.Attachments, "attachment"))),
          h("span", { class: inTLS ? "tls" : "clear", title: inTLS ? "came in TLS" : "came in clear" },
            icon(inTLS ? "lock" : "open"), h("span", { class: "unseen" }, inTLS ? "came in TLS" : "came in clear")))));
  }

  /** @param {string} id */
  choose(id) {
    this.chosen = id;
    for (const [known, { row }] of this.rows) {
      const link = /** @type {HTMLAnchorElement} */ (row.firstChild);
      link.href = this.mail.address({ id: known });
      if (known !== id) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "true");
        link.scrollIntoView({ block: "nearest" });
      }
    }
  }

  /** @param {string} id */
  focus(id) {
    /** @type {HTMLElement | undefined} */ (this.rows.get(id)?.row.firstChild)?.focus({ preventScroll: true });
  }

  /**
   * Return the id of the message so many rows below the one that is open; without an open one, of the first.
   * @param {number} step
   * @returns {string | undefined}
   */
  beside(step) {
    const ids = [...this.rows.keys()], at = ids.indexOf(this.chosen);
    return at < 0 ? ids[0] : ids[at + step];
  }

  async readAll() {
    await change("PUT", `${MAILPIT}/messages`, this.query ? { Search: this.query, Read: true } : { Read: true });
    await this.load(this.query, this.page.start);
  }

  async deleteAll() {
    const count = counted(this.page.matching, "message");
    if (!(await this.app.confirm(this.query ? `Delete the ${count} that match?` : `Delete all ${count}?`))) return;
    await change("DELETE", this.query ? `${MAILPIT}/search?query=${encodeURIComponent(this.query)}` : `${MAILPIT}/messages`);
    this.mail.go({ id: "", start: 0 });
    await this.load(this.query, 0);
  }
}

// @ts-check
/** One message: what it is and how it came, and its tabs. */

import { ask, change, MAILPIT, OWN } from "./api.js";
import { bdi, fill, h, icon } from "./dom.js";
import { chip, copy, mailbox, size } from "./format.js";
import { begun } from "./protocol.js";
import { release } from "./release.js";
import { TABS } from "./tabs.js";

export class Message {
  /**
   * @param {HTMLElement} main
   * @param {App} app
   * @param {{address: (to: {tab?: string, id?: string}) => string, remove: () => void, unread: () => void, back: () => void}} mail
   */
  constructor(main, app, mail) {
    this.main = main;
    this.app = app;
    this.mail = mail;
    /** @type {string} */
    this.id = "";
    this.forget();
  }

  forget() {
    this.id = this.tab = this.session = "";
    /** @type {any} */
    this.all = null;
    this.made = this.shown = "";
  }

  /**
   * Show a tab of a message; of the same one as before, nothing is asked for again.
   * @param {string} id
   * @param {string} tab
   */
  async show(id, tab) {
    const isSame = id === this.id && this.all;
    [this.id, this.tab] = [id, tab];
    if (isSame) return this.draw();
    [this.all, this.made] = [null, ""];
    await this.load(id);
  }

  /** Look whether it is still as it was. */
  async again() {
    if (this.id) await this.load(this.id);
  }

  /** @param {string} id */
  async load(id) {
    let all;
    try {
      all = await ask(`${OWN}/messages/${encodeURIComponent(id)}`);
    } catch (error) {
      if (id === this.id) this.gone(error);
      return;
    }
    if (id !== this.id) return;
    this.session = all.smtp.session;
    if (JSON.stringify(all) === this.made) return;
    const isAgain = this.all !== null;
    [this.all, this.made] = [all, JSON.stringify(all)];
    const head = this.main.querySelector(".head");
    if (isAgain && head && this.shown === "html") head.replaceWith(this.head()); // the frame stays as it is
    else this.draw();
  }

  /** @param {Error} error */
  gone(error) {
    const isGone = error.message.startsWith("expected the id");
    [this.all, this.made] = [null, ""];
    fill(this.main, h("div", { class: "empty" }, h("h1", null, isGone ? "Not here any more" : "It could not be read"),
      h("p", null, isGone ? "The message has been deleted." : error.message),
      h("button", { class: "button", onclick: this.mail.back }, "Back to the list")));
  }

  draw() {
    const tabs = TABS.filter((one) => !one.has || one.has(this.all));
    const tab = tabs.find((one) => one.id === this.tab) ?? tabs[0];
    const hadFocus = /** @type {HTMLElement | null} */ (document.activeElement)?.getAttribute("role") === "tab";
    const tools = h("span", { class: "tools" });
    const pane = h("div", { class: "pane", role: "tabpanel", id: "pane", "aria-labelledby": `tab-${tab.id}`, tabindex: 0 });
    const bar = h("div", { class: "tabs", role: "tablist", "aria-label": "The message as", onkeydown: (/** @type {KeyboardEvent} */ event) => this.step(event, tabs, tab) },
      tabs.map((one) => h("button", {
        role: "tab", id: `tab-${one.id}`, "aria-selected": String(one === tab), "aria-controls": "pane", tabindex: one === tab ? 0 : -1,
        onclick: () => (location.hash = this.mail.address({ tab: one.id })),
      }, one.title, one.count?.(this.all) ? h("b", null, one.count(this.all)) : null)));
    this.shown = tab.id;
    fill(this.main, this.head(), h("div", { class: "tab-bar" }, bar, tools), pane);
    if (hadFocus) /** @type {HTMLElement} */ (bar.querySelector("[aria-selected=true]")).focus();
    tab.show(pane, { all: this.all, id: this.id, tools, app: this.app });
  }

  /**
   * Arrow keys go from tab to tab.
   * @param {KeyboardEvent} event
   * @param {typeof TABS} tabs
   * @param {(typeof TABS)[number]} tab
   */
  step(event, tabs, tab) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    location.hash = this.mail.address({ tab: next.id });
  }

  head() {
    const { message, smtp } = this.all, relay = this.app.overview()?.relay;
    /** @type {(label: string, several: Address[]) => any} */
    const line = (label, several) => several.length > 0 && [
      h("dt", null, label), h("dd", null, several.slice(0, 20).map((one, n) => [n > 0 && ", ", mailbox(one)]),
        several.length > 20 && ` and ${several.length - 20} more`)];
    return h("header", { class: "head" },
      h("div", { class: "head-line" },
        h("button", { class: "icon-button back", "aria-label": "Back to the list", onclick: this.mail.back }, icon("back")),
        h("h1", { id: "subject" }, bdi(message.Subject || "(no subject)")),
        h("span", { class: "actions" },
          h("a", { class: "icon-button", href: `${OWN}/messages/${this.id}/raw`, download: true, title: "Download", "aria-label": "Download" }, icon("down")),
          relay && h("button", { class: "icon-button release", title: "Send it on", "aria-label": "Send it on", onclick: () => release(this.id, smtp.recipients, relay) }, icon("send")),
          h("button", { class: "icon-button", title: "Mark as unread (u)", "aria-label": "Mark as unread", onclick: this.mail.unread }, icon("dot")),
          h("button", { class: "icon-button", title: "Delete (#)", "aria-label": "Delete", onclick: this.mail.remove }, icon("trash")))),
      h("div", { class: "facts" },
        h("dl", { class: "meta" }, line("From", [message.From]), line("To", message.To), line("Cc", message.Cc), line("Bcc", message.Bcc)),
        h("p", { class: "at" }, h("time", { datetime: smtp.received }, new Date(smtp.received).toLocaleString()), ` · ${size(message.Size)}`)),
      h("div", { class: "chips" }, this.chips()));
  }

  chips() {
    const { message, smtp, session, codes, violations } = this.all, protocol = this.mail.address({ tab: "protocol" });
    const facts = session?.facts ?? { auth: [], violations: [], tls: null };
    const wrong = violations.length + facts.violations.length;
    return [
      facts.tls
        ? chip({ kind: "ok", icon: "lock", href: protocol }, begun(facts.tls))
        : chip({ kind: smtp.in_tls ? "ok" : "warn", icon: smtp.in_tls ? "lock" : "open", href: protocol }, smtp.in_tls ? "in TLS" : "in clear"),
      facts.auth.slice(0, 3).map((/** @type {any} */ one) => {
        const inClear = one.password_in_clear || one.token_in_clear;
        return chip({ kind: inClear ? "bad" : one.accepted ? "ok" : "warn", icon: "key", href: protocol }, h("span", null, one.mechanism, " ", bdi(one.user),
          inClear && `, ${one.password_in_clear ? "password" : "token"} in clear`, !one.accepted && ", refused"));
      }),
      chip({ kind: wrong ? "warn" : "ok", icon: wrong ? "warn" : "check", href: this.mail.address({ tab: "checks" }) },
        wrong ? `${wrong} against the standards` : "by the standards"),
      smtp.reply && chip({ kind: smtp.accepted ? "" : "bad" }, bdi(smtp.reply)),
      chip({ icon: "plug", href: `#/?q=${encodeURIComponent(`server:${smtp.server}`)}` }, bdi(smtp.server)),
      codes.slice(0, 1).map((/** @type {string} */ code) => chip({
        kind: "one-time", icon: "key", title: "Copy the code", onclick: () => copy(code).then(() => this.app.say(`Copied ${code}.`)),
      }, code)),
      message.Attachments.slice(0, 20).map((/** @type {any} */ one) => chip(
        { icon: "clip", href: `${MAILPIT}/message/${this.id}/part/${one.PartID}`, target: "_blank", rel: "noreferrer noopener" },
        h("span", null, bdi(one.FileName || one.ContentType), ` · ${size(one.Size)}`))),
      message.Tags.map((/** @type {string} */ tag) => h("span", { class: "chip" }, h("a", { href: `#/?q=${encodeURIComponent(`tag:"${tag}"`)}` }, icon("tag"), bdi(tag)),
        h("button", { "aria-label": `Take the tag ${tag} off`, onclick: () => this.tag(message.Tags.filter((/** @type {string} */ one) => one !== tag)) }, "×"))),
      this.adding(),
    ];
  }

  adding() {
    const input = h("input", { class: "add-tag", "aria-label": "Add a tag", placeholder: "+ tag", maxlength: 100, size: 6 });
    return h("form", { onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (input.value.trim()) this.tag([...this.all.message.Tags, input.value.trim()]);
    } }, input);
  }

  /** @param {string[]} tags */
  async tag(tags) {
    try {
      await change("PUT", `${MAILPIT}/tags`, { IDs: [this.id], Tags: tags });
      this.app.say(tags.length ? `Tags: ${tags.join(", ")}.` : "No tags.");
      await this.again();
      /** @type {HTMLElement | null} */ (this.main.querySelector(".add-tag"))?.focus();
    } catch (error) {
      this.app.say(error.message);
    }
  }
}


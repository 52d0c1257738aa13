// @ts-check
/** What stands in the message's place while none is open: where to send mail, and a sample for whoever wants to see one. */

import { change, OWN } from "./api.js";
import { bdi, fill, h } from "./dom.js";
import { copyButton } from "./format.js";

const MODES = {
  plain: "no TLS",
  starttls: "STARTTLS, and in clear without it",
  "tls-required": "STARTTLS first",
  "implicit-tls": "TLS from the first octet",
};

/**
 * @param {HTMLElement} main
 * @param {App} app
 * @param {import("./list.js").List} list
 * @param {string} query
 */
export function empty(main, app, list, query) {
  if (!list.page) return;
  const { total, matching } = list.page, overview = app.overview();
  const servers = overview?.servers.filter((/** @type {any} */ one) => one.takes_mail) ?? [];
  const shape = JSON.stringify([total > 0, matching > 0, query, !overview, servers.map((/** @type {any} */ one) => [one.name, one.port])]);
  if (main.dataset.shape === shape && main.firstElementChild?.classList.contains("empty")) return;
  main.dataset.shape = shape;
  if (total > 0) {
    fill(main, h("div", { class: "empty" }, h("h1", null, matching ? "Pick a message" : "Nothing matches"),
      h("p", null, matching ? ["or press ", h("kbd", null, "j"), ". ", h("kbd", null, "?"), " shows all keys."] : ["Searched for ", h("code", null, bdi(query)), "."])));
    return;
  }
  fill(main, h("div", { class: "empty start" }, h("h1", null, "Nothing has come yet"),
    servers.length ? h("p", null, "Let your program send to one of these. Nothing leaves this machine.") : overview && h("p", null, "No server runs alongside this page. Mail appears once ", h("code", null, "smtpfix serve"), " uses the same ", h("code", null, "--store"), "."),
    h("ul", { class: "servers" }, servers.map((/** @type {any} */ one) => server(one, app)))));
}

/**
 * @param {any} one
 * @param {App} app
 */
function server(one, app) {
  const place = one.port ? `${one.host}:${one.port}` : one.host;
  const button = h("button", { class: "button", onclick: send }, "Send a sample");
  async function send() {
    button.disabled = true;
    try {
      await change("POST", `${OWN}/servers/${encodeURIComponent(one.name)}/sample`);
    } catch (error) {
      app.say(error.message);
    } finally {
      button.disabled = false;
    }
  }
  return h("li", null,
    h("div", null, h("b", null, bdi(one.name)), h("span", { class: "dim" }, one.protocol === "smtp" ? "" : `${one.protocol.toUpperCase()}, `,
      MODES[/** @type {keyof typeof MODES} */ (one.mode)] ?? one.mode, one.requires_login && ", with a login")),
    h("span", null, h("code", null, bdi(place)), one.has_ca && h("a", { class: "link", href: `#/rules/${encodeURIComponent(one.name)}` }, "What to trust")),
    h("span", { class: "row-of-buttons" }, copyButton(() => place), app.overview()?.may_send_sample !== false && button));
}

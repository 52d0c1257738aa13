// @ts-check
/** What mail programs do not show of a message's HTML, and what its links answer. */

import { ask, MAILPIT } from "./api.js";
import { bdi, fill, h } from "./dom.js";
import { chip, counted } from "./format.js";

const SUPPORT = { no: "not in ", partial: "partly in " };

/**
 * @param {HTMLElement} box
 * @param {string} id
 */
export async function checkHTML(box, id) {
  try {
    const { Warnings: warnings, Total: total } = await ask(`${MAILPIT}/message/${id}/html-check`);
    fill(box, h("p", null, warnings.length ? `${counted(warnings.length, "thing")} in it ${warnings.length === 1 ? "is" : "are"} not shown everywhere; ${Math.round(total.Supported)} % is.` : "As far as we know, Gmail, Outlook and Apple Mail show all of it."),
      h("ul", { class: "violations" }, warnings.map((/** @type {any} */ one) => h("li", null, h("span", null, h("code", null, one.Title), h("small", null, ` ${one.Score.Found} ×`)),
        h("span", { class: "ready" }, one.Results.filter((/** @type {any} */ each) => each.Support !== "yes").map((/** @type {any} */ each) =>
          chip({ kind: each.Support === "no" ? "bad" : "warn" }, SUPPORT[/** @type {keyof typeof SUPPORT} */ (each.Support)] ?? "", each.Name, each.Platform && ` (${each.Platform})`)))))));
  } catch (error) {
    fill(box, h("p", null, error.message));
  }
}

/**
 * @param {HTMLElement} box
 * @param {string} id
 */
export function offerLinks(box, id) {
  const button = h("button", { class: "button", onclick: look }, "Ask for each link");
  async function look() {
    button.disabled = true;
    try {
      const { Links: links } = await ask(`${MAILPIT}/message/${id}/link-check?follow=true`);
      fill(box, links.length ? h("ul", { class: "violations" }, links.map((/** @type {any} */ one) => h("li", null, h("span", null,
        chip({ kind: one.StatusCode >= 200 && one.StatusCode < 400 ? "ok" : "bad" }, one.StatusCode || "–", " ", bdi(one.Status)), " ", bdi(one.URL))))) : h("p", null, "It has no links."));
    } catch (error) {
      button.disabled = false;
      fill(box, button, h("p", null, error.message));
    }
  }
  fill(box, button, h("p", { class: "dim" }, "This sends a request to every address that the message links to."));
}

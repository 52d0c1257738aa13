// @ts-check
/** Asks who gets a message, has it sent on, and says what came of it. */

import { change, OWN } from "./api.js";
import { bdi, fill, h } from "./dom.js";

/**
 * @param {string} id
 * @param {string[]} to
 * @param {string} relay
 */
export function release(id, to, relay) {
  const said = h("p", { role: "status", class: "read" });
  const line = h("input", { class: "field", type: "text", required: true, maxlength: 5000, "aria-label": "Recipients", spellcheck: "false", value: to.join(", ") });
  const send = h("button", { class: "button primary" }, "Send");
  const dialog = h("dialog", { "aria-labelledby": "release-title", onclose: () => dialog.remove() },
    h("form", { onsubmit: submit }, h("h2", { id: "release-title" }, "Send it on"),
      h("p", { class: "dim" }, "By ", h("code", null, bdi(relay)), " to these, and to nobody else:"), line, said,
      h("div", { class: "row-of-buttons" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Close"), send)));

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    try {
      const answer = await change("POST", `${OWN}/messages/${id}/release`, { to: line.value.split(/[,;\s]+/).filter(Boolean) });
      said.className = "read";
      fill(said, "Sent to ", bdi(answer.released.join(", ")), ".");
    } catch (error) {
      said.className = "read bad";
      fill(said, bdi(error.message));
    } finally {
      send.disabled = false;
    }
  }
  document.body.append(dialog);
  dialog.showModal();
}

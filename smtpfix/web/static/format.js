// @ts-check
/** How times, sizes and addresses are written. */

import { bdi, h, icon } from "./dom.js";

/** @param {Address} address */
export const name = (address) => address.Name || address.Address || "(nobody)";

/**
 * Return an address with its name.
 * @param {Address} address
 */
export const mailbox = (address) =>
  address.Name && address.Address
    ? h("span", { class: "mailbox" }, bdi(address.Name), " <", bdi(address.Address), ">")
    : h("span", { class: "mailbox" }, bdi(name(address)));

/** @param {string} moment */
export function when(moment) {
  const then = new Date(moment), now = new Date();
  if (then.toDateString() === now.toDateString())
    return then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString([], { day: "numeric", month: "short", year });
}

/** @param {string} moment */
export const time = (moment) =>
  h("time", { datetime: moment, title: new Date(moment).toLocaleString() }, when(moment));

/** @param {number} octets */
export function size(octets) {
  if (octets < 1024) return `${octets} B`;
  return octets < 1048576 ? `${(octets / 1024).toFixed(1)} KB` : `${(octets / 1048576).toFixed(1)} MB`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/**
 * Return a button that copies a text, and says so.
 * @param {() => string} text
 * @param {string} [label]
 */
export function copyButton(text, label = "Copy") {
  const button = h("button", { class: "button", type: "button" }, label);
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/**
 * Copy a text, also where a page without TLS may not use the clipboard's own interface.
 * @param {string} text
 */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/**
 * Return a small label, which is a link or a button where it leads somewhere.
 * @param {ChipOptions} options
 * @param {...Child} children
 */
export function chip({ kind = "", icon: sign, ...attributes }, ...children) {
  const tag = attributes.href ? "a" : attributes.onclick ? "button" : "span";
  return h(tag, { class: `chip ${kind}`, ...attributes }, sign && icon(sign), ...children);
}

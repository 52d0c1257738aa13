// @ts-check
/** Makes elements. What is given as text stays text: nothing here reads markup, whatever a message says. */

/**
 * Make an element: `h("a", {class: "chip", href: "#/"}, icon("tag"), "red")`; `on…` is a listener, true and false are
 * attributes that are there or not.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any> | null} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  fill(element, children);
  return element;
}

/**
 * Put children in the place of those that an element has.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  const flat = /** @type {any[]} */ (children.flat(Infinity));
  element.replaceChildren(...flat.filter((one) => one || one === 0).map((one) => (one instanceof Node ? one : String(one))));
}

/** Characters that are not seen, or that change the place of others. ZWJ and ZWNJ stay: emoji and Persian need them. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/**
 * Return a text with what is not seen written out; a tab and an end of line may stay.
 * @param {string} text
 * @param {boolean} [lines]
 */
export const visible = (text, lines = false) =>
  text.replace(UNSEEN, (one) =>
    lines && (one === "\n" || one === "\t") ? one : `\\u{${/** @type {number} */ (one.codePointAt(0)).toString(16)}}`);

/**
 * Make an element for a text of somebody else's, whose direction does not reach what is around it.
 * @param {string | null | undefined} text
 */
export const bdi = (text) => h("bdi", null, visible(text ?? ""));

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an icon; it says nothing to a screen reader.
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Drawn for this page, on a grid of 16. */
const PATHS = {
  back: "M10 3 5 8l5 5",
  check: "m3 8.5 3.2 3.2L13 5",
  clip: "M11 5.5 6.3 10.2a1.4 1.4 0 0 0 2 2L13 7.5a2.9 2.9 0 0 0-4.1-4.1L4.2 8.1a4.4 4.4 0 0 0 6.2 6.2l2.4-2.4",
  dot: "M8 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM8 7a1 1 0 1 0 0 2 1 1 0 0 0 0-2z",
  down: "M8 3v7M5 7.5 8 10.5l3-3M3 13h10",
  inbox: "M2.5 9v3a1.5 1.5 0 0 0 1.5 1.5h8a1.5 1.5 0 0 0 1.5-1.5V9l-2-5.5h-7zM2.5 9H6l.8 1.5h2.4L10 9h3.5",
  key: "M6 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM7.8 8.2 13 3M11 5l1.5 1.5",
  lock: "M5 7V5.2a3 3 0 0 1 6 0V7M3.5 7h9v6.5h-9z",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  moon: "M13 9.7A5.5 5.5 0 0 1 6.3 3 5.5 5.5 0 1 0 13 9.7z",
  next: "m6 3 5 5-5 5",
  open: "M5 7V5.2a3 3 0 0 1 5.8-1M3.5 7h9v6.5h-9z",
  plug: "M6 2.5v3M10 2.5v3M4 5.5h8V8a4 4 0 0 1-8 0zM8 12v2",
  rule: "M3 4h5M3 8h10M3 12h7M11 2.5v3M5.5 10.5v3",
  send: "M2.5 7.5 13.5 3 10 13.5 7.5 9zM7.5 9l6-6",
  shield: "M8 2 3 4v3.5c0 3.2 2 5.2 5 6.5 3-1.3 5-3.3 5-6.5V4z",
  tag: "M3 3h4.6L13 8.4 8.4 13 3 7.6zM5.6 5.6h.01",
  talk: "M2.5 3.5h8v5h-5L3 10.5zM12.5 6.5h1v5l-.1 2-2-2h-5v-1",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9",
  user: "M8 3a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM3.5 13.5c.5-2.4 2.3-3.5 4.5-3.5s4 1.1 4.5 3.5",
  warn: "M8 2.5 2 13.5h12zM8 6.5v3.2M8 11.6v.01",
};

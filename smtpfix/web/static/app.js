// @ts-check
/** The page around all pages: what the address leads to, what is live, keys, the title, and what is said to people. */

import { ask, follow, OWN } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { nav } from "./nav.js";
import { VIEWS } from "./views.js";

/** Milliseconds in which changes are gathered, so that a thousand messages are one look. */
const GATHER = 120;
/** So many times as long as a look took, nothing is asked for: a large store has more to do than to be looked at. */
const REST = 4;
/** Changes that are told one by one; more of them are a `prune`. */
const MOST = 200;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const place = byId("place"), said = byId("said");
const help = /** @type {HTMLDialogElement} */ (byId("help"));
const question = /** @type {HTMLDialogElement} */ (byId("question"));

/** @type {View | null} */
let view = null;
/** @type {(typeof VIEWS)[number] | null} */
let shown = null;
/** @type {any} */
let overview = null;
/** @type {{total?: number, unread?: number, tags: Record<string, number>}} */
let counts = { tags: {} }; // unknown before the inbox is opened
let isLive = false;

/** @type {App} */
const app = {
  overview: () => overview,
  counted(now) {
    counts = now;
    const label = overview?.label ? `${overview.label} - smtpfix` : "smtpfix";
    document.title = counts.unread ? `(${counts.unread}) ${label}` : label;
    draw();
  },
  say(sentence) {
    said.textContent = sentence;
    said.classList.add("shown");
    clearTimeout(hiding);
    hiding = setTimeout(() => said.classList.remove("shown"), 5000);
  },
  confirm(text) {
    byId("question-title").textContent = text;
    question.returnValue = "";
    question.showModal();
    return new Promise((answer) => {
      question.onclose = () => question.open || answer(question.returnValue === "yes"); // it may tell late of the last time
    });
  },
};
/** @type {number | undefined} */
let hiding;

// Addresses

/** @returns {Route} */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { words: path.split("/").map(decoded), query: new URLSearchParams(query) };
}

/** @param {string} word */
function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

async function go() {
  const to = route();
  const wanted = VIEWS.find((one) => one.words.includes(to.words[0])) ?? VIEWS[0];
  closeMenu();
  if (wanted !== shown) {
    view?.close?.();
    [view, shown] = [null, wanted];
    place.replaceChildren();
    const opened = (await wanted.load()).open(place, app);
    if (shown !== wanted) return; // somebody was quicker
    view = opened;
  }
  view?.go(route());
  draw();
}

let drawn = "";

function draw() {
  const state = JSON.stringify([overview, counts.total, counts.unread, counts.tags, isLive, location.hash]);
  if (state === drawn) return;
  drawn = state;
  const focused = [...byId("nav").querySelectorAll("a, button")].indexOf(/** @type {Element} */ (document.activeElement));
  fill(byId("nav"), nav({ overview, counts, isLive, route: route(), switchTheme, help: () => help.showModal() }));
  if (focused >= 0) /** @type {HTMLElement | undefined} */ (byId("nav").querySelectorAll("a, button")[focused])?.focus();
}

// What happens

/** @type {Change[]} */
let gathered = [];
let isLooking = false;

/** @param {Change} change */
function tell(change) {
  if (gathered.length < MOST) gathered.push(change);
  if (gathered.length === MOST) gathered = [...gathered.slice(0, -1), { kind: "prune", data: {} }];
  if (!isLooking) look();
}

async function look() {
  isLooking = true;
  let took = 0;
  while (gathered.length) {
    await new Promise((rested) => setTimeout(rested, Math.max(GATHER, REST * took)));
    const changes = gathered, began = performance.now();
    gathered = [];
    try {
      overview = await ask(`${OWN}/overview`);
      await view?.changed?.(changes);
    } catch (error) {
      app.say(error.message);
    }
    draw();
    took = performance.now() - began;
  }
  isLooking = false;
}

// Keys, and what stands in the page from the beginning

function closeMenu() {
  document.body.classList.remove("menu-open");
  byId("menu").setAttribute("aria-expanded", "false");
}

function switchTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("smtpfix.theme", root.dataset.theme);
}

addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (event.key === "?") help.showModal();
  else if (event.key === "Escape" && document.body.classList.contains("menu-open")) closeMenu();
  else if (!view?.key?.(event.key)) return;
  event.preventDefault();
});
fill(byId("menu"), icon("menu"));
byId("menu").addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("menu-open");
  byId("menu").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) byId("nav").querySelector("a")?.focus();
});
byId("skip").addEventListener("click", () => /** @type {HTMLElement | null} */ (place.querySelector("a, button, input"))?.focus());
addEventListener("hashchange", go);
document.body.append(h("div", { class: "shade", onclick: closeMenu }));

overview = await ask(`${OWN}/overview`).catch(() => null); // what it may offer, before it shows anything
await go();
tell({ kind: "setting", data: {} }); // the servers are not known yet
follow(tell, (now) => {
  isLive = now;
  draw();
});

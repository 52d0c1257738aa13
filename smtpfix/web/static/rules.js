// @ts-check
/** One server after the other: where it is, what to trust, what scenario it serves, and its rules; both can be changed. */

import { ask, change, OWN } from "./api.js";
import { bdi, fill, h, icon } from "./dom.js";
import { chip, copyButton, counted } from "./format.js";

/** Milliseconds without a key after which a rule that was typed is read. */
const TYPING = 200;
/** Rules to begin with, for each protocol. */
const READY = {
  smtp: [
    ["Greylisting", "RCPT: 450 4.2.1 Greylisted, try again later x1"],
    ["Mailbox full", "RCPT: 452 4.2.2 Mailbox full"],
    ["No such user", "RCPT *@example.org: 550 5.1.1 No such user"],
    ["Wrong password", "AUTH: 535 5.7.8 Authentication credentials invalid"],
    ["Gone at the final dot", "END-OF-DATA: disconnect"],
    ["Slow", "*: delay 2"],
    ["Now and then", "MAIL probability 0.3: 451 4.3.0 Try again later"],
    ["Without STARTTLS", "EHLO: hide STARTTLS"],
  ],
  imap: [
    ["Wrong password", "LOGIN: NO [AUTHENTICATIONFAILED] Wrong password"],
    ["In use", "SELECT: NO [INUSE] Somebody else has it x1"],
    ["Gone while reading", "FETCH: disconnect"],
    ["Slow", "*: delay 2"],
  ],
  pop3: [
    ["Wrong password", "PASS: -ERR [AUTH] Wrong password"],
    ["In use", "PASS: -ERR [IN-USE] Somebody else reads x1"],
    ["Gone while reading", "RETR: disconnect"],
    ["Slow", "*: delay 2"],
  ],
};
const FROM = { page: "", scenario: "of the scenario", start: "of the command line" };
/** What a careful client does. */
const EXPECTED = { accept: "ok", refuse: "bad", lax: "warn" };

/** @type {Open} */
export function open(place, app) {
  const main = h("main", { class: "page rules", tabindex: -1 });
  const top = h("div"), where = h("section"), now = h("section"), rules = h("ul", { class: "lines" }), found = h("ul", { class: "lines choice" });
  const search = h("input", { type: "search", class: "field", placeholder: "Search, such as expired or RFC 5280", "aria-label": "Search scenarios", oninput: draw });
  const count = h("span", { role: "status", class: "dim" });
  const line = h("input", { class: "field code-line", placeholder: "RCPT *@slow.example: 450 4.2.1 Greylisted x1", "aria-label": "A rule more", maxlength: 2000, spellcheck: "false", autocomplete: "off", "aria-describedby": "read", oninput: typed });
  const read = h("p", { id: "read", role: "status", class: "read" }), add = h("button", { class: "button primary", disabled: true }, "Add");
  const ready = h("div", { class: "ready" });
  const form = h("form", { onsubmit: submit }, h("div", { class: "row-of-buttons" }, line, add), read, h("p", { class: "dim" }, "Or begin with one of these:"), ready);
  const body = h("div", { class: "halves" },
    h("section", null, h("h2", null, "Scenario"), now, search, count, found),
    h("section", null, h("h2", null, "Rules"), h("p", { class: "dim" }, "The first rule that applies answers instead of the server."), form, rules));
  fill(main, h("h1", null, "Rules and scenarios"), top, where, body);
  place.append(main);

  let name = "", made = "", typing = 0, asked = 0;
  /** @type {any[]} */
  let catalogue = [];
  let catalogued = "";
  /** @type {any} */
  let all = null;
  const one = () => all?.servers.find((/** @type {any} */ each) => each.name === name) ?? all?.servers[0];
  const path = () => `${OWN}/servers/${encodeURIComponent(one().name)}`;

  async function load() {
    const mine = ++asked, answer = await ask(`${OWN}/servers`);
    if (mine !== asked) return;
    all = answer;
    const server = one();
    if (server && catalogued !== server.name) {
      const { scenarios } = await ask(`${OWN}/scenarios?server=${encodeURIComponent(server.name)}`);
      if (mine !== asked) return;
      [catalogue, catalogued] = [scenarios, server.name];
    }
    draw();
  }

  function draw() {
    const server = one(), state = JSON.stringify([all?.read_only, server, all?.servers.length, search.value]);
    if (!all || state === made) return;
    made = state;
    body.hidden = where.hidden = !server;
    if (!server) return fill(top, h("p", null, "No server runs alongside this page. The page of ", h("code", null, "smtpfix serve --web"), " switches its servers."));
    const mayChange = !all.read_only;
    fill(top, h("div", { class: "ready", role: "group", "aria-label": "Server" }, all.servers.map((/** @type {any} */ each) =>
      h("a", { class: "tool", href: `#/rules/${encodeURIComponent(each.name)}`, "aria-current": each === server && "page" }, bdi(each.name)))),
    !mayChange && h("p", { class: "notice" }, "You can only look here: this server was started with --web-read-only, or you are in your own mailbox."));
    const at = server.port ? `${server.host}:${server.port}` : server.connect;
    fill(where, h("p", { class: "row-of-buttons place" }, chip({ icon: "plug" }, server.protocol.toUpperCase(), " ", server.mode), h("code", null, bdi(at)), copyButton(() => at)),
      trust(server), server.problem && h("p", { class: "notice" }, bdi(server.problem)));
    const serves = [server.certificate !== "good" && server.certificate !== "own" && server.certificate, server.scenario].filter(Boolean);
    fill(now, h("p", { class: "row-of-buttons" }, h("span", null, "It serves ", serves.length ? serves.map((each, n) => [n > 0 && " and ", h("b", null, each)]) : h("b", null, "nothing unusual"), "."),
      mayChange && server.is_switched && h("button", { class: "button", onclick: () => serve("") }, "Back to how it started")));
    const words = search.value.toLowerCase().split(/\s+/);
    const matching = catalogue.filter((each) => words.every((word) => `${each.id} ${each.group} ${each.summary} ${each.standard}`.toLowerCase().includes(word)));
    matching.sort((one, other) => Number(serves.includes(other.id)) - Number(serves.includes(one.id)));
    count.textContent = `${search.value && `${matching.length} of `}${counted(catalogue.length, "scenario")}, each with what a careful client does`;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.scenario;
    fill(found, matching.map((each) => scenario(each, serves.includes(each.id), mayChange)));
    if (focused) /** @type {HTMLElement | null} */ (found.querySelector(`[data-scenario="${focused}"]`))?.focus();
    form.hidden = !mayChange;
    fill(ready, (READY[/** @type {keyof typeof READY} */ (server.protocol)] ?? READY.smtp).map(([label, text]) =>
      h("button", { class: "tool", type: "button", title: text, onclick: () => ((line.value = text), check().then(() => add.focus())) }, label)));
    fill(rules, server.rules.length ? server.rules.map((/** @type {any} */ rule) => ruleLine(rule, mayChange)) : h("li", { class: "dim" }, "None: it does what its scenario says."));
  }

  /** @type {(each: any, isOn: boolean, mayChange: boolean) => HTMLElement} */
  function scenario(each, isOn, mayChange) {
    const said = [h("b", null, each.id), h("span", null, each.summary), h("small", null,
      chip({ kind: EXPECTED[/** @type {keyof typeof EXPECTED} */ (each.expected)] ?? "" }, each.expected), " ", each.standard)];
    return h("li", null, mayChange
      ? h("button", { "aria-pressed": String(isOn), "data-scenario": each.id, title: each.notes, onclick: () => serve(each.id) }, said)
      : h("div", { title: each.notes, class: isOn && "on" }, said));
  }

  /** @type {(rule: any, mayChange: boolean) => HTMLElement} */
  function ruleLine(rule, mayChange) {
    const left = rule.times === null ? "" : ` of ${rule.times}`;
    return h("li", null, h("code", null, bdi(rule.text)),
      h("small", null, rule.fired || left ? `answered ${rule.fired}${left}` : "not asked yet", FROM[/** @type {keyof typeof FROM} */ (rule.from)] && `, ${FROM[/** @type {keyof typeof FROM} */ (rule.from)]}`),
      mayChange && rule.id && h("button", { class: "icon-button", "aria-label": `Delete ${rule.text}`, title: "Delete", onclick: () => act("DELETE", `/rules/${rule.id}`) }, icon("trash")));
  }

  /** @param {string} id */
  async function serve(id) {
    if (await act("PUT", "", id ? { scenario: id } : {})) app.say(id ? `${one().name} serves ${id} to clients that connect from now on.` : `${one().name} is back to how it started.`);
  }

  /** @type {(method: string, to: string, value?: object) => Promise<boolean>} */
  async function act(method, to, value) {
    try {
      await change(method, path() + to, value);
      await load();
      return true;
    } catch (error) {
      app.say(error.message);
      return false;
    }
  }

  function typed() {
    clearTimeout(typing);
    add.disabled = true;
    typing = setTimeout(check, TYPING);
  }

  async function check() {
    clearTimeout(typing);
    const text = line.value.trim();
    let says = "", isGood = false;
    if (text) {
      try {
        says = (await change("POST", `${OWN}/rules/check`, { text, server: one().name })).shown;
        isGood = true;
      } catch (error) {
        says = error.message;
      }
    }
    if (text !== line.value.trim()) return;
    fill(read, bdi(says));
    read.className = isGood ? "read" : "read bad";
    add.disabled = !isGood;
  }

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    await check();
    if (add.disabled || !(await act("POST", "/rules", { text: line.value.trim() }))) return;
    line.value = "";
    await check();
    line.focus();
  }

  return {
    go(route) {
      name = route.words[1] ?? "";
      load().then(check).catch((error) => app.say(error.message));
    },
    changed: load,
    key(pressed) {
      if (pressed === "/") search.focus();
      return pressed === "/";
    },
    close: () => asked++,
  };
}

/** @param {any} server */
function trust(server) {
  if (server.ca_pem === null) return null;
  const base = `${OWN}/servers/${encodeURIComponent(server.name)}/ca.`;
  return h("p", { class: "row-of-buttons place" }, h("span", null, "The certificate to trust: "), ["pem", "der", "p12"].map((kind) =>
    h("a", { class: "tool", href: base + kind, download: true }, { pem: "PEM", der: "DER", p12: "PKCS#12" }[kind])), h("span", { class: "dim" }, "(password of the last: smtpfix)"));
}

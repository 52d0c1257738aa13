// @ts-check
/** Audits: choose a built-in client or a device, be led through it, see the matrix fill, and what to change. */

import { ask, change, OWN } from "./api.js";
import { bdi, fill, h, icon } from "./dom.js";
import { chip, counted, time } from "./format.js";

const PORT = 2587;
/** @type {Record<string, string>} */
const MODES = { implicit: "TLS from the first octet (SSL/TLS)", "starttls-required": "STARTTLS, required", opportunistic: "STARTTLS where it is offered", none: "no TLS" };
/** @type {Record<string, string>} */
const TRUST = { pki: "what an authority has signed", pinned: "one certificate", none: "any certificate" };
/** @type {Record<string, string>} */
const SIGNS = { failed: "✗", lax: "!", capped: "−", passed: "✓" };

/** @type {Open} */
export function open(place, app) {
  const main = h("main", { class: "page audit", tabindex: -1 });
  place.append(main);
  let id = "", isDevice = false, asked = 0;
  /** @type {Record<string, [string, HTMLElement]>} */
  let parts = {};

  async function load() {
    const mine = ++asked;
    try {
      const answer = await ask(`${OWN}/audits${id && `/${id}`}`);
      if (mine === asked) id ? one(answer) : several(answer);
    } catch (error) {
      parts = {};
      fill(main, back(), h("h1", null, "Not here any more"), h("p", null, error.message));
    }
  }

  /**
   * Do something, and say what is wrong with it.
   * @param {string} method
   * @param {string} path
   * @param {object} [value]
   */
  async function act(method, path, value) {
    try {
      return await change(method, `${OWN}/audits${path}`, value);
    } catch (error) {
      app.say(error.message);
    }
  }

  /**
   * Draw a part anew where what it shows is different, so that no button goes away under a finger.
   * @param {string} name
   * @param {any} state
   * @param {() => Child} draw
   */
  function part(name, state, draw) {
    const text = JSON.stringify(state);
    if (!parts[name]) main.append((parts[name] = ["", h("div", { class: name, "aria-live": name === "step" && "polite" })])[1]);
    if (parts[name][0] === text) return;
    parts[name][0] = text;
    fill(parts[name][1], draw());
  }

  // The start

  /** @param {any} answer */
  function several({ problem, choices, audits }) {
    part("title", 0, () => [h("h1", null, "Audit"),
      h("p", { class: "dim" }, "What does a mail client do when a server shows a bad certificate, or when somebody on the way strips TLS? An audit starts its own servers, each of which does one thing wrong.")]);
    part("form", [problem, isDevice], () => problem ? h("p", null, problem) : form(choices));
    part("earlier", audits, () => audits.length > 0 && [h("h2", null, "Earlier audits"), h("ul", { class: "servers" }, audits.map((/** @type {any} */ one) =>
      h("li", null, h("a", { href: `#/audit/${one.id}` }, bdi(one.client), h("span", { class: "dim" }, ` ${one.protocol.toUpperCase()}, ${one.mode}`)),
        one.letter ? chip({}, `Grade ${one.letter}`) : chip({ kind: one.ended ? "warn" : "ok" }, one.ended ? one.state : `${one.done} of ${one.total || "?"}`), time(one.began))))]);
  }

  /** @param {any} choices */
  function form(choices) {
    const here = location.hostname.replace(/^\[|\]$/g, ""), isAddress = /^[\d.]+$|:/.test(here), isLocal = /^(localhost|127\..*|::1)$/.test(here);
    const client = select("client", choices.clients.smtp);
    const protocol = select("protocol", { smtp: "SMTP, sends mail", imap: "IMAP, reads mail", pop3: "POP3, reads mail" });
    protocol.onchange = () => fill(client, options(choices.clients[protocol.value]));
    const places = { localhost: "Only this machine", ...(isAddress && !isLocal && { [here]: `${here}, as this page` }), "0.0.0.0": "All its networks (0.0.0.0)" };
    const fields = [
      isDevice ? [
        field("Name", h("input", { name: "name", value: "device", required: true, maxlength: 60 })),
        field("This machine, as the device finds it", h("input", { name: "hostname", value: here, required: true, autocapitalize: "off" }), "A name or an IP address. The certificates are issued for it."),
        field("Who can connect", select("host", places, isLocal ? "localhost" : isAddress ? here : "0.0.0.0"), "0.0.0.0 means every network of this machine: anyone who can reach it can connect while the audit lasts."),
        field("Port", h("input", { name: "port", type: "number", min: 1, max: 65535, value: PORT, required: true })),
      ] : field("Client", client, "Only clients that are installed on this machine."),
      field("Protocol", protocol),
      field("Encryption it should use", select("mode", MODES, "starttls-required")),
      field("Certificates it should trust", select("trust", TRUST)),
      field("Scenarios", select("group", { "": "the usual ones", ...Object.fromEntries(choices.groups.map((/** @type {string} */ one) => [one, one])) })),
      h("details", null, h("summary", null, "Login, if it has one"),
        field("User", h("input", { name: "user", autocomplete: "off" })), field("Password", h("input", { name: "password", type: "password", autocomplete: "off" }))),
    ];
    return [
      h("span", { class: "group", role: "group", "aria-label": "What" }, [["", "A built-in client"], ["?device=1", "A device"]].map(([query, label]) =>
        h("a", { class: "tool", href: `#/audit${query}`, "aria-current": isDevice === !!query && "page" }, label))),
      h("form", { onsubmit: start }, h("div", { class: "fields" }, fields), h("button", { class: "button primary big" }, isDevice ? "Set it up" : "Start")),
    ];
  }

  /** @param {SubmitEvent} event */
  async function start(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const { group, port, ...given } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    const made = await act("POST", "", { ...given, groups: group ? [group] : [], ...(isDevice && { device: true, port: Number(port) }) });
    if (made) location.hash = `#/audit/${made.id}`;
  }

  // One audit

  /** @param {any} audit */
  function one(audit) {
    const { setup, step, result, findings } = audit, isWaiting = audit.state === "waiting", total = audit.total || setup?.total;
    part("title", [audit.client, audit.ended], () => [back(), h("h1", null, bdi(audit.client)),
      h("p", { class: "dim" }, `${audit.protocol.toUpperCase()} · ${MODES[audit.mode]} · trusts ${TRUST[audit.trust]}`)]);
    part("step", [audit.state, setup, step, audit.problem], () =>
      audit.problem ? h("p", { class: "notice" }, bdi(audit.problem))
        : audit.state === "set-up" ? settings(audit)
          : isWaiting ? turn(audit, step) : !audit.ended && h("p", { class: "dim" }, "Running…"));
    part("bar-of-all", [audit.done, total, audit.ended], () => !audit.ended && total && [h("progress", { max: total, value: audit.done, "aria-label": "Done" }),
      h("span", { class: "dim" }, `${audit.done} of ${total}`), h("button", { class: "button", onclick: () => say("stop") }, "Stop")]);
    part("worth-of-it", result, () => result && worth(result));
    part("matrix", findings, () => matrix(findings));
  }

  /** @param {string} answer */
  const say = (answer) => act("POST", `/${id}/step`, { answer });

  /** @param {any} audit */
  function settings({ setup, mode, protocol }) {
    /** @type {(label: string, ...inside: Child[]) => Child} */
    const row = (label, ...inside) => [h("dt", null, label), h("dd", null, inside)];
    return [
      h("h2", null, "Set the device up"),
      h("dl", { class: "settings" },
        row("Server", h("code", null, bdi(setup.host))),
        row("Port", h("code", null, setup.port)),
        row("Security", protocol === "pop3" ? MODES[mode].replace("STARTTLS", "STLS") : MODES[mode]),
        row("Login", setup.user ? [h("code", null, bdi(setup.user)), setup.password && [" password ", h("code", null, bdi(setup.password))]] : "none"),
        setup.trusts && row("Trust", ["pem", "der", "p12"].map((kind) =>
          h("a", { class: "button", href: `${OWN}/audits/${id}/ca.${kind}`, download: true }, kind === "p12" ? "PKCS#12" : kind.toUpperCase())),
        h("small", null, "One certificate in three forms. The PKCS#12 file's password is ", h("code", null, "smtpfix"), "."))),
      h("p", null, protocol === "smtp" ? `It will have to send ${counted(setup.total, "mail")}, one at a time, each when this page says so.` : `It will have to read its mail ${counted(setup.total, "time")}.`),
      h("button", { class: "button primary big", onclick: () => say("done") }, "It is set up"),
    ];
  }

  /**
   * @param {any} audit
   * @param {any} step
   */
  function turn({ protocol, done }, step) {
    const isOver = step.seen.length > 0 && step.seen.every((/** @type {any} */ one) => one.is_over);
    return [
      h("h2", null, protocol === "smtp" ? "Now press send on the device" : "Now let the device read its mail"),
      h("p", null, step.summary, ". ", h("small", null, h("code", null, step.scenario))),
      h("ul", { class: "seen" }, step.seen.length ? step.seen.map(seen) : h("li", { class: "dim" }, "Nothing has come yet.")),
      h("p", { class: "dim" }, isOver ? "It has come and gone. The next step follows in a moment." : step.stalls ? "This server keeps it waiting. Go on when it has waited long enough." : ""),
      h("div", { class: "row-of-buttons" },
        h("button", { class: "button primary big", onclick: () => say("done") }, step.seen.length ? "Next" : "Nothing comes: next"),
        h("button", { class: "button big", onclick: () => say("again"), hidden: done === 0 }, "Repeat the last one")),
    ];
  }

  const back = () => h("a", { class: "link", href: "#/audit" }, icon("back"), "Audits");

  /** @param {any} result */
  function worth(result) {
    return [
      h("div", { class: "grade" }, h("b", { class: result.flags.length || "DE".includes(result.letter) ? "bad" : "AB".includes(result.letter) ? "ok" : "warn" }, result.letter),
        h("div", null, h("h2", null, result.heading), h("p", null, bdi(result.promise)), result.flags.map((/** @type {string} */ one) => chip({ kind: "bad" }, one)))),
      result.letter === "?" && result.reasons.map((/** @type {string} */ one) => h("p", null, bdi(one))),
      !result.is_complete && h("p", { class: "notice" }, "Stopped early: this is what was known then."),
      result.changes.length > 0 && [h("h2", null, "Change this"), h("ol", { class: "changes" }, result.changes.map((/** @type {any} */ one) =>
        h("li", null, h("b", null, bdi(one.what)), " ", bdi(one.fix), h("small", null, bdi(one.needs)))))],
      h("div", { class: "row-of-buttons" },
        h("a", { class: "button primary", href: `${OWN}/audits/${id}/report`, target: "_blank", rel: "noopener" }, "The report"),
        h("a", { class: "button", href: `${OWN}/audits/${id}/report.json`, download: true }, "As JSON")),
    ];
  }

  return {
    go(route) {
      [id, isDevice, parts] = [route.words[1] ?? "", route.query.has("device"), {}];
      fill(main);
      load();
    },
    async changed(changes) {
      if (changes.some((one) => one.kind === "prune" || (one.kind === "audit" && (!id || one.data.id === id)))) await load();
    },
    close() {
      asked++;
    },
    key(pressed) {
      if (pressed !== "Escape" || !id) return false;
      location.hash = "#/audit";
      return true;
    },
  };
}

/** @param {any} session */
function seen(session) {
  const did = session.messages ? counted(session.messages, "mail") + " taken" : session.read ? `${session.read} read` : "";
  return h("li", null, icon(session.failure ? "warn" : session.tls ? "lock" : "open"),
    session.failure ? ["TLS failed: ", bdi(session.failure)] : session.tls ? session.tls.replace("TLSv", "TLS ") : "in clear",
    did && `, ${did}`, session.is_over ? ", connection closed" : ", still connected");
}

/** @param {any[]} findings */
function matrix(findings) {
  const groups = [...new Set(findings.map((one) => one.group))];
  return groups.map((group) => {
    const members = findings.filter((one) => one.group === group), passed = members.filter((one) => one.verdict === "passed").length;
    return h("section", null, h("h3", null, group, h("small", null, ` ${passed} of ${members.length} passed`)), h("ul", { class: "cells" }, members.map((one) => {
      const text = `${one.scenario}, ${one.mode}: ${one.verdict}${one.did && `, ${one.did}`}`, hasPassed = one.verdict === "passed";
      return h("li", { class: one.verdict, title: `${text}\n${one.summary}` }, h("span", { "aria-hidden": "true" }, SIGNS[one.verdict] ?? "?", !hasPassed && ` ${one.scenario}`), h("span", { class: "unseen" }, text));
    })));
  });
}

/**
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
const field = (label, input, hint) => h("label", null, label, input, hint && h("small", null, hint));

/**
 * @param {string} name
 * @param {Record<string, string> | string[]} known
 * @param {string} [chosen]
 */
const select = (name, known, chosen) => h("select", { name }, options(known, chosen));

/**
 * @param {Record<string, string> | string[]} known
 * @param {string} [chosen]
 */
const options = (known, chosen) => (Array.isArray(known) ? known.map((one) => [one, one]) : Object.entries(known)).map(([value, label]) =>
  h("option", { value, selected: value === chosen }, label));

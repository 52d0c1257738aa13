// @ts-check
/**
 * The pages, by the first word of the address behind `#/`. A page is a module that exports `open(place, app)`: it fills
 * `place`, an empty element, and returns a `View`. It is loaded when it is first opened.
 */

/**
 * What an address says: of `#/message/ID/protocol?q=x`, words `["message", "ID", "protocol"]`.
 * @typedef {{words: string[], query: URLSearchParams}} Route
 */
/**
 * An open page.
 * @typedef {object} View
 * @property {(route: Route) => void} go  show what the address says; called at once, and whenever it changes
 * @property {(changes: import("./api.js").Change[]) => void | Promise<void>} [changed]  something has happened
 * @property {(key: string) => boolean} [key]  a key was pressed; true: it meant something
 * @property {() => void} [close]
 */
/**
 * What a page can ask of the one around it.
 * @typedef {object} App
 * @property {() => any} overview  the servers, as `GET overview` has them; null before they are known
 * @property {(counts: {total: number, unread: number, tags: Record<string, number>}) => void} counted  show counts
 * @property {(sentence: string) => void} say  show a sentence for a moment, and read it out
 * @property {(question: string) => Promise<boolean>} confirm  ask before something is deleted
 */
/**
 * @type {{words: string[], title: string, icon?: Parameters<typeof import("./dom.js").icon>[0],
 *   shown?: (overview: any) => boolean, load: () => Promise<{open: (place: HTMLElement, app: App) => View}>}[]}
 */
export const VIEWS = [
  { words: ["", "message"], title: "Inbox", load: () => import("./mail.js") },
  { words: ["sessions"], title: "Sessions", icon: "talk", load: () => import("./sessions.js") },
  { words: ["rules"], title: "Rules and scenarios", icon: "rule", load: () => import("./rules.js") },
  { words: ["accounts"], title: "Incoming accounts", icon: "user", shown: (overview) => overview?.has_accounts, load: () => import("./accounts.js") },
  { words: ["audit"], title: "Audit", icon: "shield", load: () => import("./audit.js") },
];

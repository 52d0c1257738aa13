// @ts-check
/** The pages, by the first word of the address after `#/`. What a page is, `page.d.ts` says. */

/** @type {{words: string[], title: string, icon?: Icon, shown?: (overview: any) => boolean, load: () => Promise<{open: Open}>}[]} */
export const VIEWS = [
  { words: ["", "message"], title: "Inbox", load: () => import("./mail.js") },
  { words: ["sessions"], title: "Sessions", icon: "talk", load: () => import("./sessions.js") },
  { words: ["rules"], title: "Rules and scenarios", icon: "rule", load: () => import("./rules.js") },
  { words: ["accounts"], title: "Incoming accounts", icon: "user", shown: (overview) => overview?.has_accounts, load: () => import("./accounts.js") },
  { words: ["audit"], title: "Audit", icon: "shield", load: () => import("./audit.js") },
];
